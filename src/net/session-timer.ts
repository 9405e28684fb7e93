/** The one timer of a session: at any time a session waits for at most one thing. Effect layer. */
import type { Clock } from '../ports.ts'

export class SessionTimer {
  readonly #clock: Clock
  #cancel: (() => void) | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** In place of what runs already. */
  start(delayMs: number, callback: () => void): void {
    this.clear()
    this.#cancel = this.#clock.schedule(delayMs, () => {
      this.#cancel = null
      callback()
    })
  }

  /** In place of what runs already: something that has timers of its own, and how to stop it. */
  replace(cancel: () => void): void {
    this.clear()
    this.#cancel = cancel
  }

  clear(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
