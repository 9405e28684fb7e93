/** How long each of a few values held, one at a time. Pure. */

export class Spans<Value extends string> {
  readonly #spentMs = new Map<Value, number>()
  #current: Value | null = null
  #since = 0

  /** From `at` on it is this; `null`: none. */
  take(value: Value | null, at: number): void {
    if (value === this.#current) return
    this.#close(at)
    this.#current = value
    this.#since = at
  }

  /** Each value that ever held, in the order of their first time, with its milliseconds up to `at`. */
  read(at: number): readonly (readonly [Value, number])[] {
    this.#close(at)
    this.#since = at
    return [...this.#spentMs]
  }

  #close(at: number): void {
    if (this.#current === null) return
    this.#spentMs.set(this.#current, (this.#spentMs.get(this.#current) ?? 0) + at - this.#since)
  }
}
