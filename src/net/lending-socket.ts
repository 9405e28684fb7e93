/**
 * A socket that can lend what it reads instead of giving it away: it reads into a buffer that all such sockets share, so
 * that an idle session has none and a busy one allocates none. Effect layer. Unless somebody borrows, its bytes come as
 * `data` events with chunks of their own, as those of any socket.
 */
import { Socket, type SocketConstructorOpts } from 'node:net'
import { BufferPool } from './buffer-pool.ts'

/**
 * Up to here a chunk is best written as a string, which Node copies if it must. Anything longer fills a socket of this
 * class, so that it says `drain` when it has taken it.
 */
export const SMALL_BYTES_MAX = 16 * 1024

/**
 * Odd, as the other: what servers and clients send comes in blocks of round sizes, so that a read which fills the buffer
 * most probably has cut one, and the rest is there or on its way.
 */
export const SHARED_BYTES = 128 * 1024 - 17
const BULK_BYTES = 512 * 1024 - 17

/** What was read is here until whoever borrows it returns: Node reads one socket after the other. */
const SHARED: Uint8Array = Buffer.allocUnsafeSlow(SHARED_BYTES)

/** For sockets that have more to read than the shared one can take; without one they are slower. For all sessions together. */
const bulkPool = new BufferPool({ bufferBytes: BULK_BYTES, keptMax: 8, usedMax: 8 })

const NO_NEWS = undefined as unknown as Uint8Array

export interface Borrower {
  /**
   * Takes the first `count` bytes of `buffer`. What is `shared` is somebody else's as soon as this returns. Of what is
   * not, `true` says that it is still needed: it is the borrower's until `giveBack`.
   */
  borrow(buffer: Buffer, count: number, isShared: boolean): boolean
}

/** What Node's reading refers to. It is there before the socket is. */
class ReadSlot {
  socket: Socket | null = null
  borrower: Borrower | null = null
  /** What is read into next. */
  #next: Uint8Array = SHARED
  /** What Node knows of that. `null` before the first read: it asks for each address that it tries, on a handle of its own. */
  #told: Uint8Array | null = null
  #hasRead = false

  /** Node goes on with the same buffer when it is given none, and that is cheaper. */
  readonly next = (): Uint8Array => {
    if (!this.#hasRead) return this.#next
    if (this.#next === this.#told) return NO_NEWS
    this.#told = this.#next
    return this.#next
  }

  readonly take = (count: number, bytes: Uint8Array): boolean => {
    const buffer = bytes as Buffer
    if (!this.#hasRead) this.#told = buffer
    this.#hasRead = true
    const { borrower } = this
    if (borrower === null) return this.socket?.push(Buffer.from(buffer.subarray(0, count))) ?? false
    const isShared = buffer === SHARED
    const isNeeded = borrower.borrow(buffer, count, isShared)
    // It has been given up in the midst of that.
    if (this.borrower === null) return true
    if (isNeeded) this.#next = SHARED
    // A read that fills the buffer has most probably more behind it, any other has nothing.
    else if (count === buffer.length) this.#next = isShared ? (bulkPool.take() ?? SHARED) : buffer
    else if (!isShared) this.#leave(buffer)
    return true
  }

  forget(): void {
    this.borrower = null
    if (this.#next === SHARED) return
    // The socket may still read into it.
    bulkPool.abandon()
    this.#next = SHARED
  }

  #leave(buffer: Buffer): void {
    this.#next = SHARED
    bulkPool.giveBack(buffer)
  }
}

export interface LendingSocketOptions
  extends Pick<SocketConstructorOpts, 'allowHalfOpen' | 'noDelay' | 'keepAlive' | 'keepAliveInitialDelay'> {
  /** Of a connection that is there already, and not to be read from before somebody asks; not documented, see socket-handle.ts. */
  readonly handle?: object
  readonly manualStart?: boolean
}

export class LendingSocket extends Socket {
  readonly #slot: ReadSlot

  constructor(options: LendingSocketOptions) {
    const slot = new ReadSlot()
    const own = { writableHighWaterMark: SMALL_BYTES_MAX, onread: { buffer: slot.next, callback: slot.take } }
    super({ ...options, ...own } as SocketConstructorOpts)
    slot.socket = this
    this.#slot = slot
  }

  /** From now on all that is read goes to `borrower`, but for what has been kept for `data` events: that still comes so. */
  lend(borrower: Borrower): void {
    this.#slot.borrower = borrower
  }

  /** What a borrower had said to need is not needed any more. */
  giveBack(buffer: Buffer): void {
    bulkPool.giveBack(buffer)
  }

  /** What a borrower had said to need is needed for an unknown time. */
  abandon(): void {
    bulkPool.abandon()
  }

  /** What is read goes to `data` events again. Idempotent. */
  stopLending(): void {
    this.#slot.forget()
  }
}
