/**
 * A session that goes on at full speed beside whatever a test does to the proxy: it reads an endless COPY of numbered
 * rows and looks at every byte. Test support.
 */
import { connect, type Socket } from 'node:net'
import { message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { startupMessage } from './raw-client.ts'

const FILLING = 'x'.repeat(8_000)
const QUERY = `COPY (SELECT generate_series(1, 1000000000000) || ' ${FILLING}') TO STDOUT`
const HEADER_BYTES = 5

export class StreamingNeighbour {
  readonly #socket: Socket
  #rest: Buffer = Buffer.alloc(0)
  /** Rows that came, each as it should be. */
  rowCount = 0
  byteCount = 0
  /** Anything that should not have come, and the end of the session. */
  readonly problems: string[] = []
  #isStopping = false

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (piece: Buffer) => this.#take(piece))
    socket.on('error', (error) => this.#note(`error ${error.message}`))
    socket.on('close', () => this.#note('closed'))
  }

  /** Connects to the listener as the superuser, and waits for the first rows. */
  static async start(target: { readonly host: string; readonly port: number }): Promise<StreamingNeighbour> {
    const neighbour = new StreamingNeighbour(connect(target))
    neighbour.#socket.write(startupMessage({ user: 'postgres', database: 'einvoice', application_name: 'neighbour' }))
    neighbour.#socket.write(message('Q', `${QUERY}\0`))
    await neighbour.waitForMore(10)
    return neighbour
  }

  /** Rejects when they do not come. */
  async waitForMore(count: number): Promise<void> {
    const wanted = this.rowCount + count
    await waitFor(`the neighbour to get ${count} more rows`, () => [this.rowCount, this.problems], {
      until: () => this.rowCount >= wanted,
      intervalMs: 5,
    })
  }

  /** Ends it. */
  stop(): void {
    this.#isStopping = true
    this.#socket.destroy()
  }

  #note(problem: string): void {
    if (!this.#isStopping) this.problems.push(problem)
  }

  #take(piece: Buffer): void {
    this.byteCount += piece.length
    this.#rest = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    while (this.#rest.length >= HEADER_BYTES) {
      const length = 1 + this.#rest.readInt32BE(1)
      if (this.#rest.length < length) return
      const type = String.fromCharCode(this.#rest[0] ?? 0)
      const body = this.#rest.toString('latin1', HEADER_BYTES, length)
      this.#rest = this.#rest.subarray(length)
      if (type === 'd') this.#takeRow(body)
      else if (type === 'E') this.#note(`said ${body.replaceAll('\0', ' ')}`)
    }
  }

  #takeRow(row: string): void {
    if (row === `${this.rowCount + 1} ${FILLING}\n`) this.rowCount += 1
    else this.#note(`row ${this.rowCount + 1} is ${row.slice(0, 40)} of ${row.length} bytes`)
  }
}
