/**
 * A PostgreSQL server on loopback whose every byte the test sends by hand, and the messages to send. Test support.
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { int32, message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'

/** One connection to the fake server. Reads all it gets unless it is told to stop. */
export class FakeConnection {
  readonly socket: Socket
  readonly #received: Buffer[] = []
  receivedBytes = 0
  hasEnded = false
  isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.receivedBytes += chunk.length
    })
    socket.on('end', () => {
      this.hasEnded = true
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  send(...pieces: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(pieces))
  }

  /** FIN after all that was sent. */
  end(): void {
    this.socket.end()
  }

  /** RST: what a crashed host or a killed backend looks like. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Resolves when the bytes received so far are at least as many as these; they must be these. */
  async got(bytes: Buffer): Promise<void> {
    await waitFor(`${bytes.length} bytes`, () => this.receivedBytes >= bytes.length, { intervalMs: 2 })
    if (!this.received.equals(bytes)) throw new Error(`got ${this.received.toString('latin1')} instead`)
  }

  /** Waits until the proxy has closed it (FIN or RST), and closes its own side, as a backend does. */
  async closed(): Promise<void> {
    await waitFor('the connection to be closed', () => this.hasEnded || this.isClosed, { intervalMs: 2 })
    this.socket.end()
  }
}

export interface FakeServer {
  readonly port: number
  /** All connections since the start, in order. */
  readonly connections: readonly FakeConnection[]
  /** The connection of that number, counted from 1, as soon as it is there. */
  readonly connection: (number?: number) => Promise<FakeConnection>
  /** Destroys all connections and stops listening: dials are refused from then on. */
  readonly close: () => Promise<void>
}

export async function startFakeServer(onConnection?: (connection: FakeConnection) => void): Promise<FakeServer> {
  const connections: FakeConnection[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = new FakeConnection(socket)
    connections.push(connection)
    onConnection?.(connection)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP')
  return {
    port: address.port,
    connections,
    connection: (number = 1) =>
      waitFor(`connection ${number}`, () => connections[number - 1], { intervalMs: 2 }) as Promise<FakeConnection>,
    close: async () => {
      for (const { socket } of connections) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

export const AUTHENTICATION_OK = message('R', int32(0))
export const PASSWORD_REQUEST = message('R', int32(3))
export const BACKEND_KEY = Buffer.from('\0\0\x30\x39secret', 'latin1')
export const KEY_DATA = message('K', BACKEND_KEY)
export const READY = message('Z', 'I')
export const IN_HOT_STANDBY = message('S', 'in_hot_standby\0on\0')
export const NOT_IN_HOT_STANDBY = message('S', 'in_hot_standby\0off\0')
export const LOGIN = Buffer.concat([AUTHENTICATION_OK, NOT_IN_HOT_STANDBY, KEY_DATA, READY])

/** ErrorResponse, or NoticeResponse with `type` N. */
export function errorOf(sqlState: string, text: string, type: 'E' | 'N' = 'E'): Buffer {
  return message(type, `SFATAL\0VFATAL\0C${sqlState}\0M${text}\0\0`)
}

export const STARTING_UP = errorOf('57P03', 'the database system is starting up')
