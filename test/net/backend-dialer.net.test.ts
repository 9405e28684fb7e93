import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type LookupFunction, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dialBackend, errorCode } from '../../src/net/backend-dialer.ts'
import { LendingSocket } from '../../src/net/lending-socket.ts'
import { createSharedLookup } from '../../src/net/shared-lookup.ts'
import { waitFor } from '../support/condition.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { freePort } from '../support/free-port.ts'
import { startFakeServer } from './fake-server.ts'

const SILENT_LOOKUP: LookupFunction = () => undefined

function dial(host: string, port: number, lookup: LookupFunction = createSharedLookup(), lends = false) {
  const clock = new FakeClock()
  const events: string[] = []
  const sockets: Socket[] = []
  const abort = dialBackend({
    address: { host, port },
    timeoutMs: 2000,
    keepAliveMs: 60_000,
    clock,
    lookup,
    lends,
    onConnected: (socket) => {
      sockets.push(socket)
      events.push('connected')
    },
    onFailed: (code) => events.push(code),
  })
  onTestFinished(() => {
    abort()
    for (const socket of sockets) socket.destroy()
  })
  return { clock, events, sockets, abort, over: () => waitFor('the end of the dial', () => events.length > 0) }
}

describe('dialBackend', () => {
  it('gives a connected socket that keeps half-open, and leaves no timer', async () => {
    const server = await startFakeServer()
    onTestFinished(() => server.close())
    const { clock, events, sockets, over, abort } = dial('127.0.0.1', server.port)
    await over()
    abort()
    clock.advance(10_000)

    expect(events).toEqual(['connected'])
    expect(sockets[0]?.allowHalfOpen).toBe(true)
    expect(sockets[0]?.destroyed).toBe(false)
    expect([sockets[0]?.listenerCount('error'), sockets[0]?.listenerCount('connect')]).toEqual([0, 0])
    expect(clock.pendingCount).toBe(0)
  })

  it('reports a refusal by its name, once, and leaves no timer', async () => {
    const { clock, events, over } = dial('127.0.0.1', await freePort())
    await over()
    clock.advance(10_000)

    expect(events).toEqual(['ECONNREFUSED'])
    expect(clock.pendingCount).toBe(0)
  })

  it('tries all addresses of a name, and goes on with the one that answers', async () => {
    const server = await startFakeServer()
    onTestFinished(() => server.close())
    const lookup = createSharedLookup((_name, _options, answer) =>
      answer(null, [
        { address: '127.9.9.9', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ]),
    )
    const { events, over } = dial('pg-0', server.port, lookup)
    await over()

    expect(events).toEqual(['connected'])
  })

  it.each([
    ['borrowed', true],
    ['as events', false],
  ])('reads from the second address of a name what the server has sent, %s', async (_, isBorrowed) => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('what the server has sent'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const lookup: LookupFunction = (_name, _options, answer) =>
      answer(null, [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ])
    const { sockets, over } = dial('pg-0', port, lookup, true)
    await over()
    const [socket] = sockets
    if (!(socket instanceof LendingSocket)) throw new Error('the socket does not lend')
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    if (isBorrowed) {
      socket.lend({
        borrow: (buffer, count) => {
          chunks.push(Buffer.from(buffer.subarray(0, count)))
          return false
        },
      })
    }
    await waitFor('the end of it', () => socket.readableEnded)

    expect(Buffer.concat(chunks).toString()).toBe('what the server has sent')
  })

  it('reports the refusal of all addresses of a name by its name', async () => {
    const lookup = createSharedLookup((_name, _options, answer) =>
      answer(null, [
        { address: '127.9.9.8', family: 4 },
        { address: '127.9.9.9', family: 4 },
      ]),
    )
    const { events, over } = dial('pg-0', await freePort(), lookup)
    await over()

    expect(events).toEqual(['ECONNREFUSED'])
  })

  it('reports a name that does not resolve', async () => {
    const lookup = createSharedLookup((_name, _options, answer) =>
      answer(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }), []),
    )
    const { events, over } = dial('pg-0', 5432, lookup)
    await over()

    expect(events).toEqual(['ENOTFOUND'])
  })

  it('gives up after its time, wherever the dial hangs', async () => {
    const { clock, events } = dial('pg-0', 5432, SILENT_LOOKUP)
    clock.advance(1999)
    expect(events).toEqual([])
    clock.advance(1)
    await settled()

    expect(events).toEqual(['ETIMEDOUT'])
    expect(clock.pendingCount).toBe(0)
  })

  it('reports nothing after it was given up, however often', async () => {
    const server = await startFakeServer()
    onTestFinished(() => server.close())
    const { clock, events, abort } = dial('127.0.0.1', server.port)
    abort()
    abort()
    clock.advance(10_000)
    await settled()

    expect(events).toEqual([])
    expect(clock.pendingCount).toBe(0)
  })

  it('reports nothing when the answer to its look-up comes after its time', async () => {
    let answer: () => void = () => undefined
    const lookup = createSharedLookup((_name, _options, callback) => {
      answer = () => callback(null, [{ address: '127.0.0.1', family: 4 }])
    })
    const { clock, events } = dial('pg-0', 5432, lookup)
    clock.advance(2000)
    answer()
    await settled()

    expect(events).toEqual(['ETIMEDOUT'])
  })

  it('dials a Unix socket by the name PostgreSQL gives it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pgha-dial-'))
    const server = createServer()
    onTestFinished(() => {
      server.close()
      rmSync(folder, { recursive: true, force: true })
    })
    await new Promise<void>((resolve) => server.listen(join(folder, '.s.PGSQL.5432'), resolve))
    const { events, over } = dial(folder, 5432)
    await over()

    expect(events).toEqual(['connected'])
  })
})

describe('errorCode', () => {
  it('is the code, the code of the first of several errors, or a word that says that there is none', () => {
    const refused = Object.assign(new Error('no'), { code: 'ECONNREFUSED' })

    expect(errorCode(refused)).toBe('ECONNREFUSED')
    expect(errorCode(new AggregateError([refused, new Error('x')]))).toBe('ECONNREFUSED')
    expect(errorCode(new AggregateError([]))).toBe('EUNKNOWN')
    expect(errorCode(new Error('x'))).toBe('EUNKNOWN')
  })
})
