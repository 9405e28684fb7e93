/** Questions that wait for their answers from another process. Composition layer; who is asked, and how, is the caller's. */
import type { Clock } from '../ports.ts'
import type { Answer } from './messages.ts'

export class Questions {
  readonly #clock: Clock
  readonly #waiting = new Map<number, (answer: Answer | null) => void>()
  #lastId = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `send` is called at once. Resolves to `null` when there is no answer in time, or will never be one. */
  async ask(send: (id: number) => void, timeoutMs: number): Promise<Answer | null> {
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve } = Promise.withResolvers<Answer | null>()
    const cancel = this.#clock.schedule(timeoutMs, () => this.take(id, null))
    this.#waiting.set(id, (answer) => {
      cancel()
      resolve(answer)
    })
    send(id)
    return await promise
  }

  /** One that nobody waits for any more means nothing. */
  take(id: number, answer: Answer | null): void {
    const settle = this.#waiting.get(id)
    this.#waiting.delete(id)
    settle?.(answer)
  }

  /** Nobody will answer any more. */
  close(): void {
    for (const id of [...this.#waiting.keys()]) this.take(id, null)
  }
}
