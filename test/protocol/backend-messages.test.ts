import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { needsAnswer, readAuthenticationCode, withoutChannelBinding } from '../../src/protocol/authentication.ts'
import { readBackendKey } from '../../src/protocol/backend-key-data.ts'
import { readParameterStatus } from '../../src/protocol/parameter-status.ts'
import { readTransactionStatus, transactionStatusOf } from '../../src/protocol/ready-for-query.ts'
import { int32, message, surroundings, wireLikeBytes } from './wire-bytes.ts'

describe('readBackendKey', () => {
  it('gives process id and secret, one character a byte', () => {
    const payload = Buffer.from([0, 0, 0x12, 0x67, 0x80, 0xff, 0, 1])
    expect(readBackendKey(payload)).toBe('\0\0\x12\x67\x80\xff\0\x01')
  })

  it('accepts secrets of 4 to 256 bytes only', () => {
    for (let secretBytes = 0; secretBytes <= 300; secretBytes++) {
      const key = readBackendKey(Buffer.alloc(4 + secretBytes, 0xab))
      expect(key?.length ?? null, `${secretBytes} bytes`).toBe(
        secretBytes >= 4 && secretBytes <= 256 ? 4 + secretBytes : null,
      )
    }
    expect(readBackendKey(Buffer.alloc(0))).toBeNull()
    expect(readBackendKey(Buffer.alloc(3))).toBeNull()
  })

  it('gives different keys for different bytes', () => {
    const bytes = fc.uint8Array({ minLength: 8, maxLength: 40 })
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const isSame = Buffer.compare(a, b) === 0
        expect(readBackendKey(Buffer.from(a)) === readBackendKey(Buffer.from(b))).toBe(isSame)
      }),
    )
  })
})

describe('readParameterStatus', () => {
  it('gives name and value', () => {
    expect(readParameterStatus(Buffer.from('in_hot_standby\0on\0'))).toEqual({ name: 'in_hot_standby', value: 'on' })
    expect(readParameterStatus(Buffer.from('application_name\0\0'))).toEqual({ name: 'application_name', value: '' })
  })

  it.each(['', '\0', 'name', 'name\0', 'name\0value', 'name\0value\0x', 'name\0value\0\0'])(
    'gives null for %j',
    (payload) => {
      expect(readParameterStatus(Buffer.from(payload))).toBeNull()
    },
  )
})

describe('authentication', () => {
  it('reads the code that starts the payload', () => {
    expect(readAuthenticationCode(int32(0))).toBe(0)
    expect(readAuthenticationCode(Buffer.concat([int32(10), Buffer.from('SCRAM-SHA-256\0\0')]))).toBe(10)
  })

  it('gives null for a payload shorter than the code', () => {
    for (let length = 0; length < 4; length++) expect(readAuthenticationCode(Buffer.alloc(length))).toBeNull()
  })

  it('needs an answer to everything but Ok and SASLFinal', () => {
    const codes = Array.from({ length: 300 }, (_, index) => index - 20)
    expect(codes.filter((code) => !needsAnswer(code))).toEqual([0, 12])
  })
})

describe('readTransactionStatus', () => {
  it('knows I, T and E and no other byte', () => {
    const known = Array.from({ length: 256 }, (_, byte) => readTransactionStatus(Buffer.of(byte))).filter(
      (status) => status !== null,
    )
    expect(known).toEqual(['E', 'I', 'T'])
    for (const status of known) expect(readTransactionStatus(Buffer.from(status))).toBe(status)
  })

  it('gives null for no byte and for more than one', () => {
    expect(readTransactionStatus(Buffer.alloc(0))).toBeNull()
    expect(readTransactionStatus(Buffer.from('II'))).toBeNull()
    expect(transactionStatusOf(undefined)).toBeNull()
  })
})

describe('any payload', () => {
  it.each([
    ['readBackendKey', readBackendKey],
    ['readParameterStatus', readParameterStatus],
    ['readAuthenticationCode', readAuthenticationCode],
    ['readTransactionStatus', readTransactionStatus],
  ] as const)('%s gives a value that does not depend on what lies around it', (_, read) => {
    fc.assert(
      fc.property(wireLikeBytes(30), (payload) => {
        const expected = read(Buffer.from(payload))
        for (const view of surroundings(payload)) expect(read(view)).toEqual(expected)
      }),
    )
  })
})

describe('withoutChannelBinding', () => {
  const sasl = (...mechanisms: readonly string[]) =>
    message('R', Buffer.concat([int32(10), Buffer.from(`${mechanisms.join('\0')}\0\0`)]))

  it('takes mechanisms with channel binding out of an offer, wherever they stand', () => {
    expect(withoutChannelBinding(sasl('SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'))).toEqual(sasl('SCRAM-SHA-256'))
    expect(withoutChannelBinding(sasl('OAUTHBEARER', 'SCRAM-SHA-512-PLUS'))).toEqual(sasl('OAUTHBEARER'))
  })

  it.each<[string, Buffer]>([
    ['an offer without', sasl('SCRAM-SHA-256')],
    ['an offer of nothing else', sasl('SCRAM-SHA-256-PLUS')],
    ['SASLContinue', message('R', Buffer.concat([int32(11), Buffer.from('r=X-PLUS\0')]))],
    ['AuthenticationOk', message('R', int32(0))],
    ['a message that is too short', message('R', 'x')],
  ])('leaves %s as it is', (_, bytes) => {
    expect(withoutChannelBinding(bytes)).toBe(bytes)
  })
})
