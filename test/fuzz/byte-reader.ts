/**
 * Reads an input as a row of choices: how targets that need structure (a sequence of events, a value of a type) take it
 * from bytes, so that one kind of mutation, corpus and minimising serves all. Test support. Bytes that are missing are 0.
 */

export class ByteReader {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes[this.#offset++] ?? 0
  }

  /** 0 up to, and without, `limit` (at most 256). */
  below(limit: number): number {
    return this.byte() % limit
  }

  /** True for one byte in `outOf`, and never for a 0 or for what is missing. */
  isRare(outOf: number): boolean {
    return this.byte() % outOf === outOf - 1
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  /** Up to `count` bytes: fewer at the end. A view. */
  take(count: number): Buffer {
    const taken = this.#bytes.subarray(this.#offset, this.#offset + count)
    this.#offset += count
    return taken
  }

  /** All that is left. A view. */
  rest(): Buffer {
    return this.take(this.#bytes.length)
  }
}

/** `bytes` in pieces; where it is cut is taken from `reader`, in pieces of up to 16 bytes and now and then a large one. */
export function cutBy(reader: ByteReader, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = []
  let offset = 0
  while (offset < bytes.length) {
    const size = reader.isAtEnd ? bytes.length : 1 + reader.below(17)
    const end = size === 17 ? offset + 100 : offset + size
    pieces.push(bytes.subarray(offset, end))
    offset = end
  }
  return pieces
}

/** Splits an input in two: its first byte says how many of the next ones lead, the rest is what they are applied to. */
export function splitLead(input: Buffer): { readonly lead: ByteReader; readonly body: Buffer } {
  const reader = new ByteReader(input)
  const lead = new ByteReader(reader.take(reader.below(32)))
  return { lead, body: reader.rest() }
}
