/**
 * Buffers are used again and shared by all sessions, so what one session reads must never show up in another, nor be
 * overwritten before it is written: random bytes in both directions, in pieces of every size that is treated in its own
 * way, to readers that stop and go on.
 */
import { createHash, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { adoptSocket } from '../../src/net/adopt-socket.ts'
import { LendingSocket, SHARED_BYTES, SMALL_BYTES_MAX } from '../../src/net/lending-socket.ts'
import { Relay } from '../../src/net/relay.ts'
import { waitFor } from '../support/condition.ts'
import { connectPair } from './accepted-socket.ts'
import { type FakeServer, startFakeServer } from './fake-server.ts'

/** A relay between two sockets of ours: what a session is after its login, and nothing else of it. */
class Wire {
  readonly client: End
  readonly server: End
  readonly #frontendSocket: Socket
  readonly #close: () => Promise<void>

  private constructor(client: End, server: End, frontendSocket: Socket, close: () => Promise<void>) {
    this.client = client
    this.server = server
    this.#frontendSocket = frontendSocket
    this.#close = close
  }

  /** What the relay has given to the client's socket and that has not taken. */
  get writableBytes(): number {
    return this.#frontendSocket.writableLength
  }

  static async open(kind: 'lending' | 'plain'): Promise<Wire> {
    const pair = await connectPair()
    const backend: FakeServer = await startFakeServer()
    const frontendSocket = kind === 'lending' ? adoptSocket(pair.accepted) : pair.accepted
    const target = { host: '127.0.0.1', port: backend.port, allowHalfOpen: true }
    const backendSocket = kind === 'lending' ? new LendingSocket({}).connect(target) : connect(target)
    for (const socket of [frontendSocket, backendSocket]) socket.on('error', () => undefined)
    const connection = await backend.connection()
    connection.socket.removeAllListeners('data')
    const relay = new Relay({
      frontendSocket,
      backendSocket,
      isReadable: false,
      onSqlState: () => undefined,
      onBackendEnd: () => undefined,
    })
    relay.start(Buffer.alloc(0))
    frontendSocket.resume()
    return new Wire(new End(pair.dialed), new End(connection.socket), frontendSocket, async () => {
      relay.dropBackend(false)
      frontendSocket.destroy()
      await pair.close()
      await backend.close()
    })
  }

  async close(): Promise<void> {
    await this.#close()
  }

  /** Fails unless each side has got what the other sent. */
  async isIntact(): Promise<void> {
    for (const [from, to] of [
      [this.client, this.server],
      [this.server, this.client],
    ] as const) {
      await waitFor('all bytes', () => to.receivedBytes >= from.sentBytes, { intervalMs: 2 })
      expect({ bytes: to.receivedBytes, hash: to.receivedHash }).toEqual({ bytes: from.sentBytes, hash: from.sentHash })
    }
  }
}

class End {
  readonly socket: Socket
  readonly #sent = createHash('sha1')
  readonly #received = createHash('sha1')
  sentBytes = 0
  receivedBytes = 0

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.#received.update(chunk)
      this.receivedBytes += chunk.length
    })
  }

  get sentHash(): string {
    return this.#sent.copy().digest('hex')
  }

  get receivedHash(): string {
    return this.#received.copy().digest('hex')
  }

  send(count: number): void {
    const bytes = randomBytes(count)
    this.#sent.update(bytes)
    this.sentBytes += count
    this.socket.write(bytes)
  }
}

const wires: Wire[] = []

afterEach(async () => {
  for (const wire of wires.splice(0)) await wire.close()
})

async function open(kind: 'lending' | 'plain'): Promise<Wire> {
  const wire = await Wire.open(kind)
  wires.push(wire)
  return wire
}

describe.each(['lending', 'plain'] as const)('the buffers of a relay between %s sockets', (kind) => {
  it('are not reused before a slow reader has what was in them', async () => {
    // Too long for a string, too short for a large buffer: it is copied out of the shared one.
    const size = 40_000
    const [slow, quick] = [await open(kind), await open(kind)]
    slow.client.socket.pause()
    // The kernel may still take something for a while.
    for (let stalledTurns = 0; stalledTurns < 20; stalledTurns += 1) {
      if (slow.writableBytes === 0) {
        stalledTurns = 0
        slow.server.send(size)
      }
      await nextTurn()
    }
    for (let piece = 0; piece < 20; piece += 1) {
      quick.server.send(size)
      await nextTurn()
    }
    await quick.isIntact()
    expect(slow.writableBytes).toBeGreaterThan(0)
    slow.client.socket.resume()
    await slow.isIntact()
  })

  it('change no byte, however the stream is cut and whoever stops reading', async () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 300 }),
      fc.constantFrom(...[SMALL_BYTES_MAX, SHARED_BYTES, 8 * SHARED_BYTES].flatMap((at) => [at - 1, at, at + 1])),
      fc.integer({ min: 1, max: 1_500_000 }),
    )
    const end = fc.constantFrom('client' as const, 'server' as const)
    const wire = fc.constantFrom(0, 1, 2)
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('send' as const), wire, end, size }) },
      fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const), wire, end }),
      fc.record({ kind: fc.constant('turn' as const) }),
    )
    const opened = await Promise.all([open(kind), open(kind), open(kind)])
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        for (const action of steps) {
          if (action.kind === 'turn') await nextTurn()
          else {
            const target = (opened[action.wire] as Wire)[action.end]
            if (action.kind === 'send') target.send(action.size)
            else target.socket[action.kind]()
          }
        }
        for (const { client, server } of opened) for (const { socket } of [client, server]) socket.resume()
        for (const one of opened) await one.isIntact()
      }),
      { numRuns: 15 },
    )
  })
})
