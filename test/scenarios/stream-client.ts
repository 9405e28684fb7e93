/**
 * A client for more than fits into memory: sends piece by piece as the socket takes it, and keeps of what it gets the
 * length, a digest and the types of the messages. Test support; raw-client.ts keeps every byte.
 */
import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { startupMessage } from './raw-client.ts'

const HEADER_BYTES = 5
const BACKEND_KEY_DATA = 'K'
/** Of an error or another short message, for whoever has to find out what went wrong. */
const KEPT_BYTES_MAX = 1_000

/** What came since the last `restart`. */
export interface Received {
  readonly byteCount: number
  readonly sha256: string
}

export class StreamClient {
  readonly socket: Socket
  /** How many messages of each type have come to their end. */
  readonly counts = new Map<string, number>()
  hasEnded = false
  #hash: Hash = createHash('sha256')
  #byteCount = 0
  #header = Buffer.alloc(0)
  #type = ''
  #payloadBytesLeft = 0
  #kept = ''

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (piece: Buffer) => this.#take(piece))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.hasEnded = true
    })
  }

  /** Resolves when TCP is connected. */
  static async connect(target: { readonly host: string; readonly port: number }): Promise<StreamClient> {
    const socket = connect({ host: target.host, port: target.port, noDelay: true })
    await once(socket, 'connect')
    return new StreamClient(socket)
  }

  /** Connects as the superuser, who is trusted, and waits until it may ask. */
  static async login(target: { readonly host: string; readonly port: number }, name = 'stream'): Promise<StreamClient> {
    const client = await StreamClient.connect(target)
    await client.send(startupMessage({ user: 'postgres', database: 'einvoice', application_name: name }))
    await client.waitForNth('Z', 1)
    client.restart()
    return client
  }

  get byteCount(): number {
    return this.#byteCount
  }

  /** The length and digest of all bytes since `restart`, cancel keys left out of the digest; may be asked once. */
  finish(): Received {
    return { byteCount: this.#byteCount, sha256: this.#hash.digest('hex') }
  }

  /** Forgets what came so far. */
  restart(): void {
    this.counts.clear()
    this.#hash = createHash('sha256')
    this.#byteCount = 0
    this.#kept = ''
  }

  /** Resolves when the socket takes more. */
  async send(bytes: Buffer): Promise<void> {
    if (this.socket.destroyed) throw new Error(`the connection is closed; ${this.#heard()}`)
    if (!this.socket.write(bytes)) await once(this.socket, 'drain')
  }

  async query(sql: string): Promise<void> {
    await this.send(message('Q', `${sql}\0`))
  }

  /** Waits for the message of that type that is the `count`th since `restart`. An error is told at once. */
  async waitForNth(type: string, count: number, timeoutMs = 60_000): Promise<void> {
    const look = () => {
      if ((this.counts.get(type) ?? 0) >= count) return 'there'
      return this.hasEnded || (type !== 'E' && this.counts.has('E')) ? 'never' : this.#heard()
    }
    const seen = await waitFor(`message ${type}, ${count} times`, look, {
      timeoutMs,
      intervalMs: 2,
      until: (outcome) => outcome === 'there' || outcome === 'never',
    })
    if (seen === 'never') throw new Error(`message ${type} will not come; ${this.#heard()}`)
  }

  /** Says Terminate and waits for the end. */
  async end(): Promise<void> {
    await this.send(message('X'))
    await waitFor('the end of the connection', () => this.hasEnded, { intervalMs: 2 })
  }

  destroy(): void {
    this.socket.destroy()
  }

  #heard(): string {
    return `${this.#byteCount} bytes, ${JSON.stringify([...this.counts])}, ${JSON.stringify(this.#kept)}`
  }

  #take(piece: Buffer): void {
    this.#byteCount += piece.length
    let offset = 0
    while (offset < piece.length) {
      if (this.#payloadBytesLeft === 0) {
        const missing = HEADER_BYTES - this.#header.length
        this.#header = Buffer.concat([this.#header, piece.subarray(offset, offset + missing)])
        offset += missing
        if (this.#header.length < HEADER_BYTES) return
        this.#type = this.#header.toString('latin1', 0, 1)
        this.#payloadBytesLeft = this.#header.readInt32BE(1) - 4
        this.#hash.update(this.#header)
        this.#header = Buffer.alloc(0)
      }
      const taken = Math.min(this.#payloadBytesLeft, piece.length - offset)
      // The one message of a login that is different each time.
      if (this.#type !== BACKEND_KEY_DATA) this.#hash.update(piece.subarray(offset, offset + taken))
      if (this.#type === 'E') this.#keep(piece.toString('latin1', offset, offset + taken))
      offset += taken
      this.#payloadBytesLeft -= taken
      if (this.#payloadBytesLeft === 0) this.counts.set(this.#type, (this.counts.get(this.#type) ?? 0) + 1)
    }
  }

  #keep(text: string): void {
    if (this.#kept.length < KEPT_BYTES_MAX) this.#kept += text.replaceAll('\0', ' ')
  }
}
