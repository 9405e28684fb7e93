/**
 * The demo's record of what its application went through, in the order in which it happened, with the few questions that
 * are asked while it runs. Keeps everything: a run is short.
 */
import type { AppEvent } from './app-event.ts'

export class Ledger {
  readonly #events: AppEvent[] = []
  readonly #writeTimes: number[] = []

  record(event: AppEvent): void {
    this.#events.push(event)
    if (event.kind === 'acknowledged') this.#writeTimes.push(event.at)
  }

  get events(): readonly AppEvent[] {
    return this.#events
  }

  /** When each write was acknowledged, ascending. */
  get writeTimes(): readonly number[] {
    return this.#writeTimes
  }

  /** How many writes each node has acknowledged since then. */
  writesSince(since: number): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const event of this.#events) {
      if (event.kind !== 'acknowledged' || event.at < since) continue
      counts.set(event.node, (counts.get(event.node) ?? 0) + 1)
    }
    return counts
  }

  /** Whether any write was acknowledged after `since`, by whatever node. */
  hasWrittenSince(since: number): boolean {
    return (this.#writeTimes.at(-1) ?? 0) > since
  }
}
