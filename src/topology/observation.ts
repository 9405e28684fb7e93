/**
 * What one probe of one node saw, and when. An observation never says what the node *is*: that is a decision,
 * made in decide-topology.ts out of all observations together.
 */
import type { Lsn } from './lsn.ts'

/** One row of the node's own copy of `repmgr.nodes`. `active` means "repmgr last marked it so", not "it lives". */
export interface RepmgrNodeRow {
  readonly nodeId: number
  readonly nodeName: string
  readonly type: 'primary' | 'standby' | 'witness' | 'bdr'
  readonly active: boolean
  readonly upstreamNodeId: number | null
  /** Host and port out of `conninfo`; `null` when the monitoring role may not read that column or it names no host. */
  readonly address: NodeAddress | null
}

/** Where a node listens. `port` 1 to 65535. A host that starts with `/` is the directory of a Unix socket. */
export interface NodeAddress {
  readonly host: string
  readonly port: number
}

/** What the node says of repmgr: its rows, or why there are none. */
export type RepmgrEvidence =
  | {
      readonly kind: 'rows'
      readonly rows: readonly RepmgrNodeRow[]
      /** `repmgr.get_local_node_id()`; `null` while repmgrd has not run since the server started (it says -1 then). */
      readonly localNodeId: number | null
    }
  | { readonly kind: 'absent' }
  | { readonly kind: 'denied'; readonly missing: string }

/** The standby's connection to its upstream; `null` where there is none, or the role may not see it. */
export interface WalReceiver {
  /** `streaming`, `waiting`, `starting` … as in pg_stat_wal_receiver. */
  readonly status: string
  readonly senderHost: string | null
  readonly senderPort: number | null
  readonly receivedTimelineId: number | null
  /** Age of the last message from the upstream. Up to 30 s on an idle healthy pair. */
  readonly lastMessageAgeMs: number | null
}

/** A complete answer to one probe. */
export interface NodeAnswer {
  /** `pg_is_in_recovery()`. */
  readonly inRecovery: boolean
  /**
   * The current timeline. Exact on a primary (from the WAL file name) and on a standby with a WAL receiver;
   * `null` on a standby without one.
   */
  readonly timelineId: number | null
  /** The highest timeline the control file knows: exact on a primary, a lower bound on a standby. */
  readonly timelineIdAtLeast: number
  readonly systemIdentifier: string
  /**
   * `pg_postmaster_start_time()` in microseconds since 1970, as text. With the system identifier it names one running
   * server: it shows that two addresses lead to the same one, and that a server restarted between two probes.
   */
  readonly postmasterStartedAt: string
  /** Write position on a primary, received position on a standby; `null` when a standby has received nothing. */
  readonly lsn: Lsn | null
  /** Replayed position of a standby; `null` on a primary. */
  readonly replayLsn: Lsn | null
  readonly walReceiver: WalReceiver | null
  /** `default_transaction_read_only` is on: writes fail with 25006 though this may be the primary. */
  readonly defaultTransactionReadOnly: boolean
  readonly repmgr: RepmgrEvidence
}

/**
 * Why a probe got no answer.
 *
 * - `refused`: nobody listens, so the postmaster is gone while its host is up.
 * - `reset`: the connection broke; the server died, or a box between cut it.
 * - `timeout`: frozen, cut off or dead, which cannot be told apart.
 * - `dns`: the name did not resolve.
 * - `vanished`: its side ended our session, and since then its name does not exist. So a container leaves that was
 *   killed or stopped: it never refuses a connection, because the name goes with it.
 * - `starting-up`, `shutting-down`, `recovering`: FATAL 57P03, which says nothing about the role.
 * - `too-many-connections`: 53300, alive but not observable.
 * - `auth`: 28xxx or 3D000, alive but not observable.
 * - `permission`: 42501, alive but not observable.
 * - `protocol`: something answered, but not as PostgreSQL does.
 */
export const FAILURE_CLASSES = [
  'refused',
  'reset',
  'timeout',
  'dns',
  'vanished',
  'starting-up',
  'shutting-down',
  'recovering',
  'too-many-connections',
  'auth',
  'permission',
  'protocol',
] as const
export type FailureClass = (typeof FAILURE_CLASSES)[number]

/**
 * One finished probe. Times are milliseconds of the monotonic clock.
 *
 * `sentAt` is when the question left: the answer proves nothing about any earlier moment, and freshness is counted
 * from it, so that an answer that lay in a socket while this process was frozen is not taken for news.
 */
export type Observation =
  | { readonly kind: 'answered'; readonly sentAt: number; readonly receivedAt: number; readonly answer: NodeAnswer }
  | {
      readonly kind: 'failed'
      readonly sentAt: number
      readonly receivedAt: number
      readonly failure: FailureClass
      /** One line for the operator: the error's own words, without secrets. */
      readonly detail: string
    }
