/**
 * Time as a process has it that may be frozen: what falls due meanwhile runs when it is thawed, in the order in which it
 * was due. Test support.
 */
import type { Clock } from '../../src/ports.ts'
import type { EventQueue } from './event-queue.ts'

export class HostClock implements Clock {
  readonly #queue: EventQueue
  #isAlive = true
  #frozenUntil = Number.NEGATIVE_INFINITY
  #thawedAt: number
  #late: (() => void)[] = []
  #timerCount = 0

  constructor(queue: EventQueue) {
    this.#queue = queue
    this.#thawedAt = queue.now
  }

  readonly now = (): number => this.#queue.now

  readonly wallTime = (): Date => new Date(Date.UTC(2026, 0, 1) + this.#queue.now)

  readonly schedule = (delayMs: number, callback: () => void): (() => void) => {
    let isOpen = true
    this.#timerCount += 1
    const close = (): void => {
      if (isOpen) this.#timerCount -= 1
      isOpen = false
    }
    const cancel = this.run(delayMs, () => {
      if (!isOpen) return
      close()
      callback()
    })
    return () => {
      cancel()
      close()
    }
  }

  /** The same, for what is no timer of the program: its I/O. */
  run(delayMs: number, callback: () => void): () => void {
    const due = (): void => {
      if (!this.#isAlive) return
      if (this.isFrozen) this.#late.push(due)
      else callback()
    }
    return this.#queue.after(delayMs, due)
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  get isFrozen(): boolean {
    return this.#queue.now < this.#frozenUntil
  }

  /** When it last began to run. */
  get thawedAt(): number {
    return this.#thawedAt
  }

  /** Timers that have neither run nor been cancelled. */
  get timerCount(): number {
    return this.#timerCount
  }

  freeze(forMs: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#queue.now + forMs)
    this.#queue.after(this.#frozenUntil - this.#queue.now, () => {
      if (this.isFrozen) return
      this.#thawedAt = this.#queue.now
      for (const callback of this.#late.splice(0)) this.#queue.after(0, callback)
    })
  }

  /** Nothing runs any more. */
  kill(): void {
    this.#isAlive = false
    this.#late = []
  }
}
