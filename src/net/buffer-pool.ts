/**
 * Buffers of one size that are used again and again: what is thrown away instead would stay until the garbage collector
 * comes by, which is long when hundreds of sessions move bulk. Effect layer. It keeps a few, and says when there are
 * enough.
 */

export interface BufferPoolOptions {
  readonly bufferBytes: number
  /** Kept while nobody needs them. */
  readonly keptMax: number
  /** In use at a time; left out: any number. */
  readonly usedMax?: number
}

export class BufferPool {
  readonly #options: BufferPoolOptions
  readonly #kept: Buffer[] = []
  #usedCount = 0

  constructor(options: BufferPoolOptions) {
    this.#options = options
  }

  /** With whatever was in it before. `null`: as many as there may be are in use. */
  take(): Buffer | null {
    const { bufferBytes, usedMax } = this.#options
    if (usedMax !== undefined && this.#usedCount >= usedMax) return null
    this.#usedCount += 1
    return this.#kept.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
  }

  /** Nothing reads into it or out of it any more. */
  giveBack(buffer: Buffer): void {
    this.#usedCount -= 1
    if (this.#kept.length < this.#options.keptMax) this.#kept.push(buffer)
  }

  /** Something may still read into it or out of it, for who knows how long: it is left to the garbage collector. */
  abandon(): void {
    this.#usedCount -= 1
  }
}
