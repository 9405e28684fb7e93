/**
 * Where the sessions live, as the rest of the daemon sees it: in this process (local-sessions.ts), or in worker processes
 * (worker-pool.ts). Composition layer; types only.
 */
import type { Socket } from 'node:net'
import type { LogLevel } from '../config/config.ts'
import type { AdmissionEvents } from '../net/admission.ts'
import type { Hint } from '../net/session-environment.ts'
import type { PickedSessions, SessionQuery } from '../observability/session-list.ts'
import type { WorkerStatus } from '../observability/status.ts'
import type { CloseReasonKind } from '../session/close-reason.ts'
import type { SessionFigures } from '../session/session-figures.ts'
import type { RouteRequest, Routing } from '../topology/route-session.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { HostedConfig } from './session-settings.ts'

/** Sessions in numbers: of now, or, where workers have them, of their last reports; `refresh` brings those up to date. */
export interface SessionCounts {
  readonly size: number
  readonly heldCount: number
  /** Sessions ever held, and ever released from the queue to a node. */
  readonly totals: { readonly held: number; readonly released: number }
  /** Since the start of the proxy's process. */
  readonly acceptedCount: number
  readonly endedCounts: Readonly<Record<CloseReasonKind, number>>
  /** Sessions with an open or opening connection to the node. */
  readonly countOn: (node: string) => number
}

/** What sessions tell of. Nobody here acts on it but the probes, on hints. */
export interface SessionNews extends Required<AdmissionEvents> {
  readonly onHint: (node: string, hint: Hint) => void
  /** A dial has come to its end: `null` when it was connected, else the errno name. */
  readonly onDialed: (node: string, errno: string | null) => void
}

export interface SessionHost extends SessionCounts {
  /** Before anybody is accepted. Rejects with a StartError; `close` is to be called then as well. */
  start(): Promise<void>
  /**
   * Reads what a new configuration names (certificates, say). The returned function takes the configuration over; until
   * then nothing is changed. Rejects with a StartError when it will not do.
   */
  prepare(config: HostedConfig): Promise<() => void>
  /** The socket belongs to the host; `listener` is its address as in the configuration. */
  accept(socket: Socket, listener: string): void
  /**
   * Fences by the decision, then admits by it. `onFenced` is called in between, with the number of sessions that were
   * ended. Where a newer decision comes before all have fenced, the older one admits nobody.
   */
  takeDecision(decision: Decision, onFenced: (endedCount: number) => void): void
  /** Where such a session would go now. Nobody is routed or held by it. */
  preview(request: RouteRequest): Routing
  /** Brings the counts up to date, if somebody answers in time. Never rejects. */
  refresh(): Promise<void>
  /** The sessions that match, one entry for each process that has any. */
  pickSessions(query: SessionQuery): Promise<readonly PickedSessions[]>
  figures(): Promise<SessionFigures>
  /** Processes that have the sessions; none when they are in this one. */
  readonly workers: readonly WorkerStatus[]
  /** Workers that ended without being told to, since the start. */
  readonly lostWorkerCount: number
  /** Ends those that have no server yet. */
  endWaiting(): void
  /** Resolves when no session is left; at once when none is there. */
  whenEmpty(): Promise<void>
  /** Gives them time to finish, then ends them. Resolves when none is left, to how many had not ended by themselves. */
  end(options: { readonly graceMs: number; readonly hurry: Promise<void> }): Promise<number>
  /** For processes other than this one. */
  setLogLevel(level: LogLevel): void
  /** Fields that their log lines have from now on; for processes other than this one. */
  bindLog(fields: Readonly<Record<string, number>>): void
  /** Lets go of everything. Sessions have been ended before. Idempotent. */
  close(): Promise<void>
}
