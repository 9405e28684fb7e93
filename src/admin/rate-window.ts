/**
 * Counts what somebody does in a window of time, and says when it was too much. Part of the admin server. It remembers a
 * bounded number of names: when there are more, the oldest is forgotten, and counts anew.
 */

export interface RateLimit {
  /** In one window. */
  readonly countMax: number
  readonly windowMs: number
}

const NAMES_MAX = 1_000

export class RateWindow {
  readonly #limit: RateLimit
  readonly #windows = new Map<string, { count: number; readonly startedAt: number }>()

  constructor(limit: RateLimit) {
    this.#limit = limit
  }

  /** Counts one more. Milliseconds to wait when it is one too many, 0 when it is not. */
  take(name: string, now: number): number {
    const { countMax, windowMs } = this.#limit
    const known = this.#windows.get(name)
    if (known === undefined || now - known.startedAt >= windowMs) {
      this.#windows.delete(name)
      this.#forgetOldest()
      this.#windows.set(name, { count: 1, startedAt: now })
      return 0
    }
    known.count += 1
    return known.count > countMax ? known.startedAt + windowMs - now : 0
  }

  #forgetOldest(): void {
    if (this.#windows.size < NAMES_MAX) return
    for (const name of this.#windows.keys()) {
      this.#windows.delete(name)
      return
    }
  }
}
