/** A run of failed probes of one node, counted, and when the log is to be told of it again. Pure. */
import type { FailureClass } from '../topology/observation.ts'

const FIRST_REMINDER_MS = 60_000
const REMINDER_MS_MAX = 3_600_000

/** What the log says of a run. */
export interface FailingSummary {
  /** The class of the last one. */
  readonly failure: FailureClass
  /** Of all classes. */
  readonly probesFailed: number
  readonly forMs: number
}

export class FailingProbes {
  readonly #since: number
  readonly #classes = new Set<FailureClass>()
  #last: FailureClass = 'timeout'
  #count = 0
  #reminderMs = FIRST_REMINDER_MS
  #toldAt: number

  /** `at`: when the first one failed, in milliseconds of a monotonic clock, as all times here. */
  constructor(at: number) {
    this.#since = at
    this.#toldAt = at
  }

  /** Counts one. `new`: the first of its class; `due`: it is time to say that it goes on. */
  take(failure: FailureClass, at: number): 'new' | 'due' | 'known' {
    this.#count += 1
    this.#last = failure
    if (!this.#classes.has(failure)) {
      this.#classes.add(failure)
      return 'new'
    }
    if (at - this.#toldAt < this.#reminderMs) return 'known'
    this.#toldAt = at
    this.#reminderMs = Math.min(2 * this.#reminderMs, REMINDER_MS_MAX)
    return 'due'
  }

  summary(at: number): FailingSummary {
    return { failure: this.#last, probesFailed: this.#count, forMs: Math.round(at - this.#since) }
  }
}
