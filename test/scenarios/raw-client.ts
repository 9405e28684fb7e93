/**
 * A client made of bytes: says what it likes, when it likes, reads or does not read, and keeps every byte it gets.
 * Test support, for what drivers hide or would never do.
 */
import { connect, type Socket } from 'node:net'
import {
  firstPacket,
  frameNaively,
  message,
  type NaiveMessage,
  PROTOCOL_3_0,
  parameters,
} from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'

/** An ErrorResponse or NoticeResponse by its field letters: `C` SQLSTATE, `M` message, `D` detail. */
export type ErrorFields = Readonly<Record<string, string>>

export class RawClient {
  readonly socket: Socket
  readonly #pieces: Buffer[] = []
  #hasEnded = false

  private constructor(socket: Socket) {
    this.socket = socket
    // Half-open: whether and when our own side closes is the test's to decide.
    socket.on('data', (piece) => this.#pieces.push(piece))
    socket.on('error', () => {})
    for (const event of ['end', 'close']) {
      socket.on(event, () => {
        this.#hasEnded = true
      })
    }
  }

  /** Resolves when TCP is connected. */
  static async connect(target: { readonly host: string; readonly port: number }): Promise<RawClient> {
    const socket = connect({ ...target, allowHalfOpen: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket)
  }

  /** Connects as the superuser `postgres`, whom the servers of the tests trust, and waits until it may ask. */
  static async login(target: { readonly host: string; readonly port: number }, name = 'raw'): Promise<RawClient> {
    const client = await RawClient.connect(target)
    client.send(startupMessage({ user: 'postgres', database: 'einvoice', application_name: name }))
    await client.waitForMessage('Z')
    return client
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** Sends one simple Query (F). */
  query(sql: string): void {
    this.send(message('Q', `${sql}\0`))
  }

  /** All bytes so far. */
  get received(): Buffer {
    return Buffer.concat(this.#pieces)
  }

  /** The server's side has sent FIN, or the connection broke. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get messages(): readonly NaiveMessage[] {
    return frameNaively(this.received).messages
  }

  /** The fields of every ErrorResponse so far. */
  get errors(): readonly ErrorFields[] {
    return this.messages.filter(({ type }) => type === 'E').map(({ payload }) => readFields(payload))
  }

  /** Rejects when the connection ends without it, with what was said instead. */
  async waitForMessage(type: string, timeoutMs = 10_000): Promise<void> {
    await this.waitForNth(type, 1, timeoutMs)
  }

  /** As `waitForMessage`, for the message of that type that is the `count`th since the connection began. */
  async waitForNth(type: string, count: number, timeoutMs = 10_000): Promise<void> {
    const isThere = () => this.messages.filter((each) => each.type === type).length >= count
    const look = () => isThere() || (this.#hasEnded ? 'ended' : null)
    const outcome = await waitFor(`message ${type}, ${count} times`, look, { timeoutMs, intervalMs: 5 }).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}; ${this.#heard()}`, { cause: error })
      },
    )
    if (outcome === 'ended') throw new Error(`the connection ended without a message ${type}; ${this.#heard()}`)
  }

  /** Asks, and gives the last row as text: of one column. */
  async ask(sql: string): Promise<string> {
    const before = this.messages.filter(({ type }) => type === 'D').length
    this.query(sql)
    await this.waitForNth('D', before + 1)
    const row = this.messages.findLast(({ type }) => type === 'D')
    return row?.payload.toString('latin1').slice(6) ?? ''
  }

  async waitForBytes(count: number, timeoutMs = 10_000): Promise<Buffer> {
    await waitFor(`${count} bytes`, () => this.received.length >= count, { timeoutMs, intervalMs: 5 })
    return this.received
  }

  /** Waits until the other side has closed; gives all it had said. */
  async waitForEnd(timeoutMs = 10_000): Promise<Buffer> {
    await waitFor('the end of the connection', () => this.#hasEnded, { timeoutMs, intervalMs: 5 })
    return this.received
  }

  destroy(): void {
    this.socket.destroy()
  }

  #heard(): string {
    return `received ${JSON.stringify(this.received.toString('latin1').slice(-500))}`
  }
}

/** StartupMessage (F), protocol 3.0. */
export function startupMessage(settings: Readonly<Record<string, string>>): Buffer {
  return firstPacket(PROTOCOL_3_0, parameters(...Object.entries(settings)))
}

/** SSLRequest (F). */
export const SSL_REQUEST = firstPacket(80_877_103)
/** GSSENCRequest (F). */
export const GSSENC_REQUEST = firstPacket(80_877_104)

function readFields(payload: Buffer): ErrorFields {
  const fields = payload
    .toString('utf8')
    .split('\0')
    .filter((field) => field !== '')
  return Object.fromEntries(fields.map((field) => [field.slice(0, 1), field.slice(1)]))
}
