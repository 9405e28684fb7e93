/**
 * A Clock that stands still until it is told to go on. Test support. Elapsed and wall time move together; callbacks run
 * in the order in which they are due, those of the same moment in the order in which they were scheduled.
 */
import type { Clock } from '../../src/ports.ts'

interface Timer {
  readonly dueAt: number
  readonly callback: () => void
}

const WALL_TIME_AT_ZERO = Date.parse('2026-01-01T00:00:00.000Z')

export class FakeClock implements Clock {
  readonly #timers = new Set<Timer>()
  #now: number

  /** `now`: milliseconds, 0 or more. */
  constructor(now = 0) {
    this.#now = now
  }

  readonly now = (): number => this.#now

  readonly wallTime = (): Date => new Date(WALL_TIME_AT_ZERO + this.#now)

  readonly schedule = (delayMs: number, callback: () => void): (() => void) => {
    const timer: Timer = { dueAt: this.#now + Math.max(0, delayMs), callback }
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
    }
  }

  /** Callbacks that are scheduled and have neither run nor been cancelled. */
  get pendingCount(): number {
    return this.#timers.size
  }

  /** Milliseconds until the next callback is due; `null` when none is scheduled. */
  get nextInMs(): number | null {
    const next = this.#next(Number.POSITIVE_INFINITY)
    return next === null ? null : next.dueAt - this.#now
  }

  /** Lets `elapsedMs` pass and runs what falls due, also what is scheduled meanwhile. */
  advance(elapsedMs: number): void {
    const target = this.#now + elapsedMs
    for (let timer = this.#next(target); timer !== null; timer = this.#next(target)) this.#run(timer)
    this.#now = target
  }

  /** The same, but after every callback lets promises and the event loop's turn finish. */
  async advanceSettled(elapsedMs: number): Promise<void> {
    const target = this.#now + elapsedMs
    await settled()
    for (let timer = this.#next(target); timer !== null; timer = this.#next(target)) {
      this.#run(timer)
      await settled()
    }
    this.#now = target
  }

  #run(timer: Timer): void {
    this.#timers.delete(timer)
    this.#now = Math.max(this.#now, timer.dueAt)
    timer.callback()
  }

  #next(until: number): Timer | null {
    let next: Timer | null = null
    for (const timer of this.#timers) {
      if (timer.dueAt <= until && (next === null || timer.dueAt < next.dueAt)) next = timer
    }
    return next
  }
}

/** Resolves when all promises that could go on have gone on. */
export async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
