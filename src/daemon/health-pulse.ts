/**
 * Tells whether the health loop goes on: every probe ends in an observation, also of a node that nobody can reach, so a
 * node of which none came for long is not being probed any more. Composition layer; it judges the program, never the
 * cluster.
 */
import type { Clock } from '../ports.ts'

/** A node whose probes have stopped coming back, and for how long. */
export interface StalledProbe {
  readonly node: string
  readonly sinceMs: number
}

export class HealthPulse {
  readonly #clock: Clock
  readonly #lastBeats = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An observation of this node has come. */
  beat(node: string): void {
    this.#lastBeats.set(node, this.#clock.now())
  }

  /** The member that has been silent longest, when that is more than `limitMs`. A new member's time begins now. */
  findStalled(members: readonly string[], limitMs: number): StalledProbe | null {
    const now = this.#clock.now()
    for (const node of this.#lastBeats.keys()) if (!members.includes(node)) this.#lastBeats.delete(node)
    let stalled: StalledProbe | null = null
    for (const node of members) {
      const lastBeat = this.#lastBeats.get(node)
      if (lastBeat === undefined) this.#lastBeats.set(node, now)
      const sinceMs = now - (lastBeat ?? now)
      if (sinceMs > Math.max(limitMs, stalled?.sinceMs ?? 0)) stalled = { node, sinceMs }
    }
    return stalled
  }
}
