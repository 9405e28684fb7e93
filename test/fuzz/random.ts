/** A seeded source of numbers, so that a run can be had again. Test support. Nothing secret may come from it. */

export class Random {
  #state: number

  /** `seed`: any whole number. */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 0 up to, and without, `limit`, which is 1 or more. */
  below(limit: number): number {
    // mulberry32: 32 bits of state, good enough to choose mutations by.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }

  /** One of `items`, of which there must be one. */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }
}
