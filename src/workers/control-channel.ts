/**
 * The line between the main process and a worker: whole messages over a pair of sockets, each as its length and what
 * v8.serialize makes of it (Maps survive). Composition layer. It is apart from the channel that connections are passed on,
 * so that a decision never waits behind a burst of them. Both ends are the same program: a message that cannot be read is
 * a defect and closes the line.
 */
import type { Duplex } from 'node:stream'
import { deserialize, serialize } from 'node:v8'

const HEADER_BYTES = 4
/** A list of 1,000 sessions takes a quarter of a megabyte. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024

export class ControlChannel<Said, Heard> {
  /** Resolves when the other process has ended, or either side has closed. */
  readonly closed: Promise<void>
  readonly #stream: Duplex
  readonly #onHeard: (message: Heard) => void
  #received: Buffer[] = []
  #receivedBytes = 0

  constructor(stream: Duplex, onHeard: (message: Heard) => void) {
    this.#stream = stream
    this.#onHeard = onHeard
    this.closed = new Promise((resolve) => stream.once('close', resolve))
    stream.on('data', (chunk: Buffer) => this.#take(chunk))
    // Whoever is gone is told of by `closed`.
    stream.on('error', () => stream.destroy())
    stream.on('end', () => stream.destroy())
  }

  /** To somebody who is gone it means nothing. */
  tell(message: Said): void {
    if (this.#stream.destroyed) return
    const body = serialize(message)
    const header = Buffer.allocUnsafe(HEADER_BYTES)
    header.writeUInt32BE(body.length)
    this.#stream.write(Buffer.concat([header, body]))
  }

  /** What was told is still sent. Idempotent. */
  close(): void {
    this.#stream.end()
  }

  /** At once. Idempotent. */
  destroy(): void {
    this.#stream.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received.push(chunk)
    this.#receivedBytes += chunk.length
    let waiting = this.#wantedBytes()
    while (waiting !== null && this.#receivedBytes >= waiting) {
      const all = this.#received.length === 1 ? (this.#received[0] ?? chunk) : Buffer.concat(this.#received)
      const rest = all.subarray(waiting)
      this.#received = rest.length === 0 ? [] : [rest]
      this.#receivedBytes = rest.length
      this.#hear(all.subarray(HEADER_BYTES, waiting))
      waiting = this.#wantedBytes()
    }
  }

  /** Of the message that comes next, header included; `null` when that is not known yet. */
  #wantedBytes(): number | null {
    if (this.#receivedBytes < HEADER_BYTES) return null
    const [first = Buffer.alloc(0)] = this.#received
    const header = first.length >= HEADER_BYTES ? first : Buffer.concat(this.#received)
    const wanted = HEADER_BYTES + header.readUInt32BE(0)
    if (wanted <= MESSAGE_BYTES_MAX) return wanted
    this.#stream.destroy(new Error(`a control message of ${wanted} bytes`))
    return null
  }

  #hear(body: Buffer): void {
    if (this.#stream.destroyed) return
    let message: Heard
    try {
      message = deserialize(body) as Heard
    } catch (error) {
      this.#stream.destroy(error as Error)
      return
    }
    this.#onHeard(message)
  }
}
