/**
 * The demo's record of what its application went through, in the order in which it happened, with the few questions that
 * are asked while it runs. Keeps everything: a run is short.
 */
import { waitFor } from '../support/condition.ts'
import type { Acknowledged, AppEvent } from './app-event.ts'

/** An application that retries without end must be back long before this. */
const WRITE_TIMEOUT_MS = 20_000

export class Ledger {
  readonly #events: AppEvent[] = []
  readonly #writeTimes: number[] = []
  #lastWrite: Acknowledged | null = null

  record(event: AppEvent): void {
    this.#events.push(event)
    if (event.kind !== 'acknowledged') return
    this.#writeTimes.push(event.at)
    this.#lastWrite = event
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

  /** Resolves when the node has acknowledged a write after `since`; rejects after 20 s. */
  async waitForWriteOn(node: string, since: number): Promise<void> {
    await waitFor(
      `the application to write on ${node}`,
      () => (this.#lastWrite === null ? 'no write at all' : this.#lastWrite.node),
      { timeoutMs: WRITE_TIMEOUT_MS, intervalMs: 5, until: (seen) => seen === node && this.#isAfter(since) },
    )
  }

  #isAfter(since: number): boolean {
    return this.#lastWrite !== null && this.#lastWrite.at > since
  }
}
