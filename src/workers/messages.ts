/**
 * What the main process and its workers tell each other. Types only; the two are the same program, so nothing is
 * checked. Times are of the system's monotonic clock, which they share. docs/adr/0010-workers.md has the picture.
 */
import type { LogFormat, LogLevel } from '../config/config.ts'
import type { Hint } from '../net/session-environment.ts'
import type { PickedSessions, SessionQuery } from '../observability/session-list.ts'
import type { NodeIdentity } from '../ports.ts'
import type { CloseReasonKind } from '../session/close-reason.ts'
import type { HoldOutcome } from '../session/hold-queue.ts'
import type { SessionFigures } from '../session/session-figures.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { HostedConfig } from './session-settings.ts'

/** What a worker is, said once, before anything else. */
export interface WorkerCharter {
  /** Counted from 1. */
  readonly worker: number
  readonly config: HostedConfig
  readonly version: number
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
}

export type ToWorker =
  | { readonly kind: 'begin'; readonly charter: WorkerCharter }
  /** Routes by the decision before no more, fences, confirms. */
  | {
      readonly kind: 'fence'
      readonly round: number
      readonly decision: Decision
      readonly members: readonly NodeIdentity[]
    }
  /** All have confirmed. */
  | { readonly kind: 'admit' }
  | { readonly kind: 'renew'; readonly decision: Decision; readonly members: readonly NodeIdentity[] }
  | { readonly kind: 'ping' }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  /** What was prepared last holds from now on. */
  | { readonly kind: 'commit'; readonly version: number }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly fields: Readonly<Record<string, number>> }
  | { readonly kind: 'end-waiting' }
  /** Last words for all, now; `atOnce`: nobody waits until they have left. */
  | { readonly kind: 'end'; readonly atOnce: boolean }

export type Question =
  | { readonly kind: 'counts' }
  | { readonly kind: 'sessions'; readonly query: SessionQuery }
  | { readonly kind: 'figures' }
  | { readonly kind: 'cancel-node'; readonly key: string }
  | { readonly kind: 'prepare'; readonly config: HostedConfig }
  /** Asked of the main process: a place among the sessions of this address. */
  | { readonly kind: 'place'; readonly client: string; readonly placesMax: number }

export type Answer =
  | { readonly kind: 'counts'; readonly counts: WorkerCounts }
  | { readonly kind: 'sessions'; readonly picked: PickedSessions }
  | { readonly kind: 'figures'; readonly figures: SessionFigures }
  | { readonly kind: 'cancel-node'; readonly node: string | null }
  /** `fault`: why the configuration will not do; `null`: it will. */
  | { readonly kind: 'prepared'; readonly fault: Fault | null }
  | { readonly kind: 'place'; readonly isFree: boolean }

/** A StartError, on its way to another process. */
export interface Fault {
  readonly message: string
  readonly hint: string
}

export type ToMain =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly fault: Fault }
  | {
      readonly kind: 'fenced'
      readonly round: number
      readonly endedCount: number
      readonly counts: WorkerCounts
    }
  | { readonly kind: 'counts'; readonly counts: WorkerCounts }
  | { readonly kind: 'pong'; readonly health: WorkerHealth }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'hint'; readonly node: string; readonly hint: Hint }
  | { readonly kind: 'first-routed'; readonly node: string; readonly afterDecisionMs: number }
  | { readonly kind: 'all-released'; readonly count: number }

export interface WorkerCounts {
  /** Number of the last connection that has arrived. */
  readonly takenUpTo: number
  readonly size: number
  readonly heldCount: number
  readonly totals: { readonly held: number; readonly released: number }
  readonly acceptedCount: number
  readonly endedCounts: Readonly<Record<CloseReasonKind, number>>
  readonly byNode: ReadonlyMap<string, number>
  /** Addresses of sessions that have begun since the last counts, where there is no limit of sessions from one. */
  readonly clients: readonly string[]
  /** Addresses of sessions that have ended since the last counts, of those that had a place. */
  readonly leftClients: readonly string[]
  /** Since the last counts. */
  readonly dials: readonly { readonly node: string; readonly errno: string | null }[]
  /** Since the last counts. */
  readonly holdEnds: readonly { readonly outcome: HoldOutcome; readonly waitedMs: number }[]
}

export interface WorkerHealth {
  readonly rssBytes: number
  /** Of all threads, since its start. */
  readonly cpuSeconds: number
  /** The longest that the event loop was late since the last time. */
  readonly eventLoopDelayMs: number
}

/** Beside a connection that is passed, on Node's own channel. */
export interface PassedConnection {
  /** The session's number, unique among all workers and rising. */
  readonly id: number
  readonly listener: string
  /** Of the configuration that has the listener, see `commit`: a later one may still be on its way. */
  readonly version: number
}
