/** What the failover journal is told of, and the counters that go with it. Types only; effect layer. */
import type { Observation } from '../topology/observation.ts'
import type { Decision, Epoch, TopologyState } from '../topology/topology-state.ts'

/** Counters of the proxy since its start, and `waiting`, those in the hold queue now. */
export interface SessionTally {
  readonly waiting: number
  readonly held: number
  readonly released: number
  /** Told that there is nowhere to go. */
  readonly expired: number
  /** Told, while they waited, that the proxy stops. */
  readonly stopped: number
  readonly lost: number
}

export type JournalNews =
  | { readonly kind: 'observed'; readonly node: string; readonly observation: Observation }
  | {
      readonly kind: 'decided'
      readonly decision: Decision
      readonly state: TopologyState
      /** On `decision.primary`. */
      readonly sessionsOnPrimary: number
    }
  /** The epoch is on disk. */
  | { readonly kind: 'accepted'; readonly epoch: Epoch }
  | { readonly kind: 'save-failed'; readonly problem: string }
  | { readonly kind: 'fenced'; readonly endedCount: number }
  | { readonly kind: 'first-routed'; readonly node: string }
  | { readonly kind: 'all-released' }
  /** The proxy ends. */
  | { readonly kind: 'stopped' }

export type JournalEvent = JournalNews & {
  /** Monotonic milliseconds. */
  readonly now: number
  readonly wallTime: Date
  readonly tally: SessionTally
}
