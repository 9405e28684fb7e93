/**
 * The bounded first-in-first-out queue of held sessions, and the gate that releases them at a bounded rate, so that a
 * primary that was just promoted is not stampeded. Pure: no timers, `now` is an input. Deadlines are the sessions' own.
 */

/** How a wait in the hold queue ended: with a node, with a refusal, or because the session ended while it waited. */
export const HOLD_OUTCOMES = ['routed', 'refused', 'ended'] as const
export type HoldOutcome = (typeof HOLD_OUTCOMES)[number]

/** Members leave in the order they came. Adding twice is adding once; removing an absent one does nothing. */
export class HoldQueue<T> {
  readonly #members = new Set<T>()
  /** 0 or more; 0 holds nobody. May change while sessions are held: nobody is thrown out by that. */
  sizeMax: number

  constructor(sizeMax: number) {
    this.sizeMax = sizeMax
  }

  get size(): number {
    return this.#members.size
  }

  /** False when the queue is full: then nothing was added. */
  add(member: T): boolean {
    if (this.#members.has(member)) return true
    if (this.#members.size >= this.sizeMax) return false
    this.#members.add(member)
    return true
  }

  /** True when it was in the queue. */
  remove(member: T): boolean {
    return this.#members.delete(member)
  }

  /** The members, first come first; the queue may be changed while they are walked through. */
  *[Symbol.iterator](): Generator<T> {
    yield* this.#members
  }
}

/** How many releases may be made up for after a pause: one twentieth of a second's worth, at least one. */
const BURST_SECONDS = 0.05

/** A token bucket: lets `ratePerSecond` through, on average and without a stampede after a pause. */
export class ReleaseGate {
  readonly #ratePerSecond: number
  readonly #burst: number
  #tokens: number
  #updatedAt: number

  /** `ratePerSecond` above 0. `now`: monotonic ms. */
  constructor(ratePerSecond: number, now: number) {
    this.#ratePerSecond = ratePerSecond
    this.#burst = Math.max(1, ratePerSecond * BURST_SECONDS)
    this.#tokens = this.#burst
    this.#updatedAt = now
  }

  /** Lets one through, or says no. */
  take(now: number): boolean {
    this.#refill(now)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** Milliseconds until the next one may pass, 0 when it may now. */
  delayMs(now: number): number {
    this.#refill(now)
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.#ratePerSecond) * 1000)
  }

  #refill(now: number): void {
    const elapsedMs = Math.max(0, now - this.#updatedAt)
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#ratePerSecond) / 1000)
    this.#updatedAt = now
  }
}
