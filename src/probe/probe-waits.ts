/**
 * Who waits for a look at a node that begins now: ends each wait when something has come back from all of its nodes that
 * was asked for after the wait began, or when its time is over. Effect layer.
 */
import type { Clock } from '../ports.ts'

interface Wait {
  readonly since: number
  /** Nodes of which nothing has come back yet. */
  readonly open: Set<string>
  readonly end: () => void
}

export class ProbeWaits {
  readonly #clock: Clock
  readonly #waits = new Set<Wait>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves to the names of those from which nothing had come back after `withinMs`. */
  async wait(nodes: readonly string[], withinMs: number): Promise<readonly string[]> {
    const open = new Set(nodes)
    if (open.size === 0) return []
    await new Promise<void>((resolve) => {
      const end = (): void => {
        cancelTimer()
        this.#waits.delete(wait)
        resolve()
      }
      const wait: Wait = { since: this.#clock.now(), open, end }
      const cancelTimer = this.#clock.schedule(withinMs, end)
      this.#waits.add(wait)
    })
    return [...open]
  }

  /** A probe of the node, whose question left at `sentAt`, has come back: with an answer or a failure. */
  take(node: string, sentAt: number): void {
    for (const wait of this.#waits) {
      if (sentAt < wait.since) continue
      wait.open.delete(node)
      if (wait.open.size === 0) wait.end()
    }
  }

  /** Nothing will come back any more. */
  close(): void {
    for (const wait of this.#waits) wait.end()
  }
}
