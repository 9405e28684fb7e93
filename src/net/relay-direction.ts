/**
 * One direction of a relay: hands on what one socket reads to the other, unchanged and in order, and stops reading while
 * the other does not take it. Effect layer. It knows no protocol. What a lending socket lends is small and written as a
 * string, which Node copies if it must; or copied into a buffer of ours; or, from a buffer that is not shared, written
 * from there. Such buffers are kept until all is written.
 */
import type { Socket } from 'node:net'
import { BufferPool } from './buffer-pool.ts'
import { type Borrower, LendingSocket, SHARED_BYTES, SMALL_BYTES_MAX } from './lending-socket.ts'

/** Sees the first `count` bytes of each chunk before they are handed on. They are not there any more afterwards. */
export type Watcher = (chunk: Buffer, count: number) => void

/** For all sessions together. */
const copyPool = new BufferPool({ bufferBytes: SHARED_BYTES, keptMax: 8 })

export class RelayDirection implements Borrower {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #watch: Watcher
  /** The source is paused until the sink has taken what it was given. */
  #isWaiting = false
  /** What the sink has not taken yet: in a buffer that was lent, or in a copy of it. */
  #lent: Buffer | null = null
  #copy: Buffer | null = null

  constructor(source: Socket, sink: Socket, watch: Watcher) {
    this.#source = source
    this.#sink = sink
    this.#watch = watch
  }

  /** Begins with `rest`, which was read before. The source may be paused: resuming it is the caller's. */
  start(rest: Buffer | null): void {
    // Also for a lending socket, which may have something that was read while nobody borrowed.
    this.#source.on('data', this.#take)
    this.#sink.on('drain', this.#onDrain)
    if (this.#source instanceof LendingSocket) this.#source.lend(this)
    if (rest !== null && rest.length > 0) this.#take(rest)
  }

  /** What the sink was given and has not taken remains the sink's. Idempotent. */
  stop(): void {
    this.#source.off('data', this.#take)
    this.#sink.off('drain', this.#onDrain)
    if (this.#source instanceof LendingSocket) {
      this.#source.stopLending()
      if (this.#lent !== null) this.#source.abandon()
    }
    if (this.#copy !== null) copyPool.abandon()
    this.#lent = null
    this.#copy = null
  }

  borrow(buffer: Buffer, count: number, isShared: boolean): boolean {
    this.#watch(buffer, count)
    if (count <= SMALL_BYTES_MAX) {
      if (!this.#sink.write(buffer.toString('latin1', 0, count), 'latin1')) this.#wait()
      return false
    }
    // Only a lending sink is sure to say `drain` after a chunk of this size, and only one buffer of a kind is kept track of.
    const isSure = this.#sink instanceof LendingSocket && this.#lent === null && this.#copy === null
    if (!isSure) {
      this.#hand(Buffer.from(buffer.subarray(0, count)))
      return false
    }
    if (isShared) {
      this.#handCopy(buffer, count)
      return false
    }
    if (this.#hand(buffer.subarray(0, count))) return false
    this.#lent = buffer
    return true
  }

  readonly #take = (chunk: Buffer): void => {
    this.#watch(chunk, chunk.length)
    this.#hand(chunk)
  }

  #handCopy(buffer: Buffer, count: number): void {
    const copy = copyPool.take() ?? Buffer.allocUnsafeSlow(SHARED_BYTES)
    buffer.copy(copy, 0, 0, count)
    if (this.#hand(copy.subarray(0, count))) copyPool.giveBack(copy)
    else this.#copy = copy
  }

  /** True when the sink has taken all that it was ever given. */
  #hand(chunk: Buffer): boolean {
    const mayGoOn = this.#sink.write(chunk)
    const isTaken = this.#sink.writableLength === 0
    if (!mayGoOn && !isTaken) this.#wait()
    return isTaken
  }

  #wait(): void {
    this.#isWaiting = true
    this.#source.pause()
  }

  readonly #onDrain = (): void => {
    this.#release()
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#source.resume()
  }

  #release(): void {
    if (this.#copy !== null) copyPool.giveBack(this.#copy)
    if (this.#lent !== null && this.#source instanceof LendingSocket) this.#source.giveBack(this.#lent)
    this.#copy = null
    this.#lent = null
  }
}
