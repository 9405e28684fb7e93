/**
 * How many sessions there were in each of the last seconds, and when the state or the primary changed: the past that the
 * live page shows to somebody who has just opened it. Pure and bounded; who looks, and how often, is the caller's.
 */
import type { TopologyKind } from '../topology/topology-state.ts'

/** Seconds that are kept: 15 minutes. */
export const HISTORY_SECONDS = 900
/** Changes that are kept beyond the one that still held when the window began. */
export const CHANGES_MAX = 100

/** What is looked at. */
export interface Glance {
  readonly active: number
  readonly held: number
  readonly state: TopologyKind
  readonly primary: string | null
}

/** `[second, active, held]`: seconds since 1970, the sessions at its last look, the most that waited at once in it. */
export type SecondSample = readonly [second: number, active: number, held: number]

export interface StateChange {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly state: TopologyKind
  readonly primary: string | null
}

export interface History {
  /** Oldest first. A second in which nobody looked is missing. */
  readonly samples: readonly SecondSample[]
  /** Oldest first; the first one may be older than the first sample. */
  readonly changes: readonly StateChange[]
}

export class SessionHistory {
  /** By second modulo their number: an old one is written over. */
  readonly #samples: (SecondSample | undefined)[] = new Array(HISTORY_SECONDS)
  #changes: readonly StateChange[] = []
  #current: SecondSample | null = null

  /** Adds a look. Returns the second before when it has just become complete. */
  look({ active, held, state, primary }: Glance, wallTime: Date): SecondSample | null {
    const at = wallTime.getTime()
    const last = this.#changes.at(-1)
    if (last?.state !== state || last.primary !== primary) this.#addChange({ at, state, primary })
    const second = Math.floor(at / 1000)
    const before = this.#current
    const peak = before !== null && before[0] === second ? Math.max(held, before[2]) : held
    this.#current = [second, active, peak]
    this.#samples[second % HISTORY_SECONDS] = this.#current
    return before !== null && before[0] !== second ? before : null
  }

  /** What is kept of the 15 minutes before `wallTime`. */
  read(wallTime: Date): History {
    const end = Math.floor(wallTime.getTime() / 1000)
    const begin = end - HISTORY_SECONDS
    // A wall clock that was set back leaves samples of a future that has not come.
    const samples = this.#samples.filter((sample) => sample !== undefined && sample[0] > begin && sample[0] <= end)
    samples.sort((a, b) => (a?.[0] ?? 0) - (b?.[0] ?? 0))
    return { samples: samples as SecondSample[], changes: this.#changesSince(begin * 1000) }
  }

  #addChange(change: StateChange): void {
    this.#changes = [...this.#changesSince(change.at - HISTORY_SECONDS * 1000).slice(-CHANGES_MAX), change]
  }

  /** From the one that held at that moment on. */
  #changesSince(moment: number): readonly StateChange[] {
    const first = this.#changes.findLastIndex(({ at }) => at <= moment)
    return this.#changes.slice(Math.max(0, first))
  }
}
