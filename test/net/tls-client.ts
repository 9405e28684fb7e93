/** A client whose PostgreSQL bytes go through TLS, after an SSLRequest or directly. Test support. */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { frameNaively } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'

/** SSLRequest (F): Int32(8), Int32(80877103). */
const SSL_REQUEST = Buffer.from('0000000804d2162f', 'hex')

export class TlsClient {
  readonly socket: TLSSocket
  readonly #pieces: Buffer[] = []
  receivedBytes = 0
  hasEnded = false
  isClosed = false
  error: string | null = null

  private constructor(socket: TLSSocket) {
    this.socket = socket
    socket.on('data', (piece: Buffer) => {
      this.#pieces.push(piece)
      this.receivedBytes += piece.length
    })
    socket.on('end', () => {
      this.hasEnded = true
    })
    socket.on('close', () => {
      this.isClosed = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error ??= error.code ?? error.message
    })
  }

  /** Asks first, and goes on at `S`. Does not wait for the handshake. */
  static async connect(port: number, options: ConnectionOptions = {}): Promise<TlsClient> {
    return await TlsClient.over(connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true }), options)
  }

  /** The same over a socket that the test goes on to abuse. */
  static async over(socket: Socket, options: ConnectionOptions = {}): Promise<TlsClient> {
    socket.on('error', () => undefined)
    socket.write(SSL_REQUEST)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (answer.toString('latin1') !== 'S') throw new Error(`SSLRequest was answered with ${answer.toString('latin1')}`)
    socket.pause()
    return new TlsClient(connect({ socket, servername: 'localhost', rejectUnauthorized: false, ...options }))
  }

  /** Opens with a ClientHello. */
  static direct(port: number, options: ConnectionOptions = {}): TlsClient {
    const own = { servername: 'localhost', rejectUnauthorized: false, allowHalfOpen: true, ...options }
    return new TlsClient(connect({ host: '127.0.0.1', port, ...own }))
  }

  get received(): Buffer {
    return Buffer.concat(this.#pieces)
  }

  send(...pieces: readonly Buffer[]): this {
    this.socket.write(Buffer.concat(pieces))
    return this
  }

  /** Resolves when it has received as many bytes; they must be these. */
  async got(bytes: Buffer): Promise<void> {
    await waitFor(`${bytes.length} bytes`, () => this.receivedBytes >= bytes.length || this.isOver, { intervalMs: 2 })
    if (!this.received.equals(bytes)) {
      throw new Error(`got ${JSON.stringify(this.received.toString('latin1'))} and ${this.error ?? 'no error'} instead`)
    }
  }

  get isOver(): boolean {
    return this.hasEnded || this.isClosed
  }

  /** Waits for the other side's end, closes its own, and gives the messages that came: `type`, and the text of errors. */
  async ended(): Promise<readonly string[]> {
    await waitFor('the end', () => this.isOver, { intervalMs: 2 })
    this.socket.end()
    return frameNaively(this.received).messages.map(({ type, payload }) =>
      type === 'E' ? `E ${readField(payload, 'C')} ${readField(payload, 'M')}` : type,
    )
  }
}

function readField(payload: Buffer, letter: string): string {
  const field = payload
    .toString('utf8')
    .split('\0')
    .find((each) => each.startsWith(letter))
  return field?.slice(1) ?? ''
}
