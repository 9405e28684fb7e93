/**
 * Claims to be primary, and how the incumbent (the epoch's node) stands against them: who claims what, how long an
 * unsanctioned claim has been waiting, and whether it is latched. Used by decide-topology.ts only.
 */
import { describeStanding, type Member, type Standing } from './standing.ts'
import type { PendingClaim, TopologyState } from './topology-state.ts'

/** One running server that says it is primary. */
export interface Claim {
  readonly node: string
  readonly timelineId: number
  /** Its own repmgr row says primary and active. */
  readonly confirmed: boolean
  readonly systemIdentifier: string
  readonly postmasterStartedAt: string
  readonly provenAt: number
}

/** The epoch's node as it is now. `text` completes the sentence "node1 …". */
export type Incumbent =
  | {
      readonly kind: 'primary'
      readonly text: string
      readonly provenAt: number
      /** Alive but not observable: the decision stands. */
      readonly unobserved: boolean
      readonly postmasterStartedAt: string | null
      /** It has neither been away nor been restarted since it last served alone. */
      readonly unbroken: boolean
    }
  /** Nobody listens on its port. */
  | { readonly kind: 'refused'; readonly text: string; readonly proven: boolean }
  /** It is in recovery, so it cannot be what it was. */
  | { readonly kind: 'standby'; readonly text: string }
  | { readonly kind: 'fenced'; readonly text: string }
  /** No longer a member, foreign, a witness, or on a timeline below the epoch's. */
  | { readonly kind: 'gone'; readonly text: string }
  /** Silent, rejecting or not observed yet: it may still be primary. */
  | { readonly kind: 'away'; readonly text: string }

/** All claims of nodes that are not fenced; a server reached through two addresses claims once, the incumbent first. */
export function readClaims(
  members: readonly Member[],
  standings: ReadonlyMap<string, Standing>,
  previous: TopologyState,
): Claim[] {
  const byServer = new Map<string, Claim>()
  for (const { name } of members) {
    const standing = standings.get(name)
    if (standing?.kind !== 'claims-primary' || previous.fenced.has(name)) continue
    const { systemIdentifier, postmasterStartedAt } = standing.answer
    const server = `${systemIdentifier}/${postmasterStartedAt}`
    if (byServer.has(server) && name !== previous.epoch?.node) continue
    byServer.set(server, {
      node: name,
      timelineId: standing.timelineId,
      confirmed: standing.confirmed,
      systemIdentifier,
      postmasterStartedAt,
      provenAt: standing.provenAt,
    })
  }
  return [...byServer.values()]
}

export function readIncumbent(
  previous: TopologyState,
  standings: ReadonlyMap<string, Standing>,
  claims: readonly Claim[],
): Incumbent {
  const { epoch } = previous
  if (epoch === null) return { kind: 'gone', text: 'does not exist' }
  if (previous.fenced.has(epoch.node)) return { kind: 'fenced', text: 'is fenced by an operator' }
  const standing = standings.get(epoch.node)
  if (standing === undefined) {
    return { kind: 'gone', text: 'is no longer among the nodes; `pgha-proxy accept NODE` names its successor' }
  }
  const text = describeStanding(standing)
  switch (standing.kind) {
    case 'claims-primary': {
      const claim = claims.find((candidate) => candidate.node === epoch.node)
      if (claim === undefined || standing.timelineId < epoch.timelineId) {
        return { kind: 'gone', text: `is back on the older timeline ${standing.timelineId}` }
      }
      return {
        kind: 'primary',
        text,
        provenAt: standing.provenAt,
        unobserved: false,
        postmasterStartedAt: claim.postmasterStartedAt,
        unbroken: previous.unbrokenSince === claim.postmasterStartedAt,
      }
    }
    case 'unobservable':
      // Alive: what was proven before stands. After a restart of the proxy nothing was.
      return previous.unbrokenSince === null
        ? { kind: 'away', text }
        : {
            kind: 'primary',
            text,
            provenAt: standing.run.lastSentAt,
            unobserved: true,
            postmasterStartedAt: null,
            unbroken: true,
          }
    case 'refused':
      return { kind: 'refused', text, proven: standing.proven }
    case 'standby':
      return { kind: 'standby', text }
    case 'foreign':
    case 'witness':
      return { kind: 'gone', text }
    case 'silent':
    case 'rejecting':
    case 'unknown':
      return { kind: 'away', text }
    default: {
      const unhandled: never = standing
      return unhandled
    }
  }
}

/**
 * The claims above the epoch's timeline after this turn. A latch opens only when its node turns out to be something
 * else: a standby, foreign, on another timeline, no member any more. While it is merely out of sight the latch stays.
 */
export function pendingAfter(
  previous: TopologyState,
  standings: ReadonlyMap<string, Standing>,
  claims: readonly Claim[],
  incumbent: Incumbent,
  now: number,
  graceMs: number,
): Map<string, PendingClaim> {
  const after = new Map<string, PendingClaim>()
  if (previous.epoch === null) return after
  for (const [node, pending] of previous.pendingClaims) {
    if (pending.latched && isOutOfSight(standings.get(node))) after.set(node, pending)
  }
  const incumbentLives = incumbent.kind === 'primary'
  for (const claim of claims) {
    if (claim.timelineId <= previous.epoch.timelineId || claim.node === previous.epoch.node) continue
    const known = previous.pendingClaims.get(claim.node)
    const before = known?.timelineId === claim.timelineId ? known : null
    const firstSeenAt = before?.firstSeenAt ?? now
    // By an answer that was asked for after all of it: one that a timeout puts in doubt may be older than the claim.
    const isOutlived = incumbent.kind === 'primary' && incumbent.provenAt - firstSeenAt >= graceMs
    after.set(claim.node, {
      timelineId: claim.timelineId,
      firstSeenAt,
      incumbentAwaySince: incumbentLives ? null : (before?.incumbentAwaySince ?? now),
      latched: before?.latched === true || (isOutlived && !claim.confirmed),
    })
  }
  return after
}

function isOutOfSight(standing: Standing | undefined): boolean {
  switch (standing?.kind) {
    case 'silent':
    case 'refused':
    case 'rejecting':
    case 'unobservable':
      return true
    default:
      return false
  }
}
