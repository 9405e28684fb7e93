/**
 * What the proxy remembers between two decisions, and what a decision says.
 *
 * `serving`      one proven primary; new sessions go there.
 * `uncertain`    the incumbent cannot be reached or is contested, nobody else is accepted: new sessions wait.
 * `no-primary`   nobody can be primary: new sessions wait.
 * `split-brain`  two claim what only one can be. An unbroken incumbent goes on; otherwise new sessions wait.
 *
 * The transitions are the rules in decide-topology.ts; docs/decision.md has them as a table.
 */
import type { Rule } from './rules.ts'

export const TOPOLOGY_KINDS = ['serving', 'uncertain', 'no-primary', 'split-brain'] as const
export type TopologyKind = (typeof TOPOLOGY_KINDS)[number]

/**
 * The last primary accepted. On disk before it is acted on; raised on acceptance only, lowered by an operator only.
 * Evidence, never a verdict: after a restart the node has to prove itself again.
 */
export interface Epoch {
  readonly systemIdentifier: string
  readonly timelineId: number
  readonly node: string
  /** Wall time of the acceptance, ISO 8601: for people. */
  readonly at: string
}

/** A claim on a timeline above the epoch's that is not accepted yet. Times: monotonic milliseconds. */
export interface PendingClaim {
  readonly timelineId: number
  readonly firstSeenAt: number
  /** Since when the incumbent has not answered as primary; `null` while it does. */
  readonly incumbentAwaySince: number | null
  /** The incumbent outlived the grace: only its own row, an operator or its own end resolves this. */
  readonly latched: boolean
}

/**
 * A standby that followed the epoch's primary when that was last seen to live. Kept while the primary is lost, when
 * nobody can stream from it; a restart of the standby, another upstream or another epoch ends it.
 */
export interface Follower {
  readonly primary: string
  readonly timelineId: number
  /** Of the standby. */
  readonly postmasterStartedAt: string
  /** When the primary was last seen to be lost (monotonic ms); `null` when it followed since. */
  readonly primaryLostAt: number | null
}

export interface TopologyState {
  readonly epoch: Epoch | null
  /** Nodes that an operator has fenced. */
  readonly fenced: ReadonlySet<string>
  /** Unaccepted claims above the epoch's timeline, by node. */
  readonly pendingClaims: ReadonlyMap<string, PendingClaim>
  /** Every member has been asked at least once since the start of the proxy. */
  readonly settled: boolean
  /** Start time of the incumbent's server while it has been primary without a break; `null` after a break. */
  readonly unbrokenSince: string | null
  /** By node. */
  readonly followers: ReadonlyMap<string, Follower>
  readonly kind: TopologyKind
  readonly reason: string
  readonly primary: string | null
  /** When `kind` or `primary` last changed (monotonic ms). */
  readonly changedAt: number
}

/** What happens to the sessions on a node's write side. */
export type SessionVerdict = { readonly kind: 'keep' } | { readonly kind: 'end'; readonly why: string }

export const NODE_ROLES = [
  'primary',
  'standby',
  'witness',
  'stale-primary',
  'impostor',
  'foreign',
  'fenced',
  'unreachable',
  'unknown',
] as const
export type NodeRole = (typeof NODE_ROLES)[number]

export interface NodeVerdict {
  readonly role: NodeRole
  /** For sessions that may write: those of `route: primary`, and those on a standby that was promoted. */
  readonly writeSessions: SessionVerdict
  /** For read sessions of `route: standby` and `any`. */
  readonly readSessions: SessionVerdict
  /** True when a `route: standby` listener may send sessions here (lag not yet considered). */
  readonly readable: boolean
  /** When the answer behind `readable` was asked for (monotonic ms); `readable` expires `decisionTtlMs` later. */
  readonly readProvenAt: number
  /** Bytes not yet replayed, at least; `null` when it cannot be known. */
  readonly replayLagBytes: number | null
  /** What an operator should know of this node; `null` when all is well. */
  readonly problem: string | null
}

export interface Decision {
  readonly kind: TopologyKind
  /** The rule that decided. */
  readonly rule: Rule
  /** One sentence: what was decided and why. Has no changing numbers, so that equal sentences mean no news. */
  readonly reason: string
  /** Where new write sessions go; `null`: hold. Always the epoch's node. */
  readonly primary: string | null
  /** When the latest proof for `primary` was asked for (monotonic ms); the decision expires `decisionTtlMs` later. */
  readonly provenAt: number
  /** An epoch to be written to disk before anything follows from it; then decide again. */
  readonly accept: Epoch | null
  readonly nodes: ReadonlyMap<string, NodeVerdict>
  /** Alarms and warnings, each one sentence. */
  readonly warnings: readonly string[]
  readonly pace: 'steady' | 'fast'
}

/** Cold start: nothing accepted, nothing fenced. `epoch` and `fenced` come from the state directory. */
export function initialState(epoch: Epoch | null, fenced: Iterable<string>, now: number): TopologyState {
  return {
    epoch,
    fenced: new Set(fenced),
    pendingClaims: new Map(),
    settled: false,
    unbrokenSince: null,
    followers: new Map(),
    kind: 'no-primary',
    reason: 'starting: no node has been probed yet',
    primary: null,
    changedAt: now,
  }
}
