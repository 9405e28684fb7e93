import { describe, expect, it } from 'vitest'
import { oneText } from '../probe/fake-postgres.ts'
import { message } from '../protocol/wire-bytes.ts'
import {
  CANCELED,
  cancelRequest,
  findKey,
  IDLE_USER,
  loggedIn,
  ReadyWatch,
  readFirstPacket,
  sqlStateOf,
  startup,
} from './wire.ts'

const KEY = Buffer.from('0000002a12345678', 'hex')

describe('the first packets of the soak', () => {
  it('are read as they were written', () => {
    expect(readFirstPacket(startup({ user: IDLE_USER, database: 'shop' }))).toEqual({
      kind: 'startup',
      user: IDLE_USER,
    })
    expect(readFirstPacket(cancelRequest(KEY))).toEqual({ kind: 'cancel', key: KEY.toString('hex') })
    expect(readFirstPacket(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))).toEqual({ kind: 'ssl' })
  })
})

describe('the end of an answer', () => {
  it('is seen however the bytes are cut', () => {
    const login = loggedIn(KEY)
    for (let cut = 0; cut < login.length; cut += 1) {
      const watch = new ReadyWatch()
      expect(watch.take(login.subarray(0, cut))).toBe(false)
      expect(watch.take(login.subarray(cut))).toBe(true)
    }
  })

  it('is not seen in the middle of one', () => {
    expect(new ReadyWatch().take(oneText('1').subarray(0, -1))).toBe(false)
  })
})

describe('an error', () => {
  it('is found behind the description of a row, as that of a canceled sleep', () => {
    expect(sqlStateOf(CANCELED)).toBe('57014')
    expect(sqlStateOf(Buffer.concat([message('T', 'abc'), CANCELED]))).toBe('57014')
    expect(sqlStateOf(message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating\0\0'))).toBe('57P01')
    expect(sqlStateOf(oneText('ERROR'))).toBeNull()
  })
})

describe('the key of a login', () => {
  it('is found among its other messages', () => {
    expect(findKey(loggedIn(KEY))).toEqual(KEY)
    expect(findKey(oneText('1'))).toBeNull()
  })
})
