/**
 * Which standbys may serve reads, and how far behind they are. Pure. A standby may when it streams the epoch's timeline
 * by a chain of upstreams that ends at the primary, and goes on while the primary is lost and nothing speaks against it
 * (docs/adr/0007). Never by repmgr's `active`, which only says what repmgr last wrote.
 */
import type { WritePosition } from './evidence.ts'
import { type Lsn, lsnDistanceBytes } from './lsn.ts'
import type { Ruling, Situation } from './situation.ts'
import { isSameAddress, type Standing } from './standing.ts'
import type { Epoch, Follower } from './topology-state.ts'

/**
 * How long a standby may take to stream again once its primary is back: PostgreSQL tries every 5 s
 * (`wal_retrieve_retry_interval`). Its lag is measured against the living primary meanwhile.
 */
export const FOLLOW_AGAIN_MS = 10_000

/** Where a standby's WAL comes from, as far as it can be seen. */
type Chain =
  | { readonly kind: 'primary' }
  /** A link is missing: no upstream, or one that is out of sight. That was asked at this moment (monotonic ms). */
  | { readonly kind: 'broken'; readonly askedAt: number }
  /** Another timeline, somebody who is not the primary, or a circle. */
  | { readonly kind: 'elsewhere' }

const PRIMARY: Chain = { kind: 'primary' }
const ELSEWHERE: Chain = { kind: 'elsewhere' }

/**
 * The standbys that may serve reads after this turn, and those out of sight that may again when they are back. A broken
 * chain counts only once the primary has answered a later question, and has been back for a while if it was lost: when
 * the primary dies every chain breaks, and that is no reason to take the reads away as well.
 */
export function followersAfter(situation: Situation, ruling: Ruling): Map<string, Follower> {
  const after = new Map<string, Follower>()
  const { previous, now } = situation.input
  const { epoch } = previous
  if (epoch === null || !mayFollow(situation, ruling)) return after
  for (const [name, standing] of situation.standings) {
    const follower = previous.followers.get(name)
    const known = follower?.primary === epoch.node && follower.timelineId === epoch.timelineId ? follower : null
    if (standing.kind !== 'standby') {
      if (known !== null && ruling.primary === null && isOutOfSight(standing)) after.set(name, known)
      continue
    }
    const { postmasterStartedAt } = standing.answer
    const chain = followChain(name, standing, situation, epoch)
    const followed = { primary: epoch.node, timelineId: epoch.timelineId, postmasterStartedAt }
    if (chain.kind === 'primary') after.set(name, { ...followed, primaryLostAt: null })
    if (chain.kind !== 'broken' || known?.postmasterStartedAt !== postmasterStartedAt) continue
    const primaryLostAt = ruling.primary === null ? now : known.primaryLostAt
    const mayYetFollow = primaryLostAt !== null && now - primaryLostAt <= FOLLOW_AGAIN_MS
    if (mayYetFollow || chain.askedAt > ruling.provenAt) after.set(name, { ...followed, primaryLostAt })
  }
  return after
}

/** Without a primary: only when it is merely lost. What is fenced, replaced or contested has no standbys to trust. */
function mayFollow({ input, incumbent }: Situation, ruling: Ruling): boolean {
  if (ruling.primary !== null) return true
  if (!input.previous.settled || ruling.kind === 'split-brain') return false
  return incumbent.kind !== 'fenced' && incumbent.kind !== 'gone'
}

function isOutOfSight(standing: Standing): boolean {
  return standing.kind === 'silent' || standing.kind === 'rejecting' || standing.kind === 'unobservable'
}

/** An upstream under a name we do not know proves nothing against the standby (NAT, Docker). */
function followChain(
  name: string,
  standby: Extract<Standing, { kind: 'standby' }>,
  { input, standings }: Situation,
  epoch: Epoch,
): Chain {
  const { walReceiver, timelineId, timelineIdAtLeast } = standby.answer
  // In recovery it is not the primary any more, whomever it follows.
  if (name === epoch.node) return ELSEWHERE
  // Without an upstream it does not say its timeline.
  const isKnown = timelineId !== null || walReceiver?.status === 'streaming'
  if (isKnown && timelineId !== epoch.timelineId) return ELSEWHERE
  if (timelineIdAtLeast > epoch.timelineId) return ELSEWHERE
  const seen = new Set<string>()
  let current = name
  while (current !== epoch.node) {
    if (seen.has(current)) return ELSEWHERE
    seen.add(current)
    const standing = standings.get(current)
    if (standing === undefined) return PRIMARY
    if (standing.kind !== 'standby') return readLink(standing)
    const receiver = standing.answer.walReceiver
    if (receiver?.status !== 'streaming') return { kind: 'broken', askedAt: standing.provenAt }
    const { senderHost, senderPort } = receiver
    if (senderHost === null || senderPort === null) return PRIMARY
    const sender = { host: senderHost, port: senderPort }
    const upstream = input.members.find((member) => isSameAddress(member.address, sender))
    if (upstream === undefined) return PRIMARY
    current = upstream.name
  }
  return PRIMARY
}

/** An upstream that is neither the primary nor a standby. */
function readLink(standing: Exclude<Standing, { kind: 'standby' }>): Chain {
  switch (standing.kind) {
    case 'claims-primary':
    case 'witness':
    case 'foreign':
      return ELSEWHERE
    case 'silent':
    case 'refused':
    case 'rejecting':
    case 'unobservable':
      return { kind: 'broken', askedAt: standing.run.lastSentAt }
    case 'unknown':
      return { kind: 'broken', askedAt: Number.NEGATIVE_INFINITY }
    default: {
      const unhandled: never = standing
      return unhandled
    }
  }
}

/**
 * Bytes the standby has not replayed, at least: against what its primary, or it itself, is known to have written or
 * received before it was asked. Probes are not simultaneous, and a position that was read later would show all that was
 * written in between as a lag that is not there. While the primary is lost its last position stays the measure.
 */
export function replayLagBytes(standing: Standing, { input }: Situation, isFollower: boolean): number | null {
  const { epoch } = input.previous
  if (epoch === null || standing.kind !== 'standby') return null
  const { timelineId, replayLsn, walReceiver, lsn } = standing.answer
  const isOnTimeline = timelineId === epoch.timelineId || (timelineId === null && isFollower)
  if (!isOnTimeline || replayLsn === null) return null
  const written = positionBefore(input.evidence.get(epoch.node)?.writePositions ?? [], standing.provenAt, epoch)
  if (written === null) return null
  const received = walReceiver === null ? null : lsn
  return lsnDistanceBytes(received !== null && received > written ? received : written, replayLsn)
}

/** The last one that was known at that moment; right after the start, the first that is known at all. */
function positionBefore(positions: readonly WritePosition[], moment: number, epoch: Epoch): Lsn | null {
  const own = positions.filter(
    ({ systemIdentifier, timelineId }) =>
      systemIdentifier === epoch.systemIdentifier && timelineId === epoch.timelineId,
  )
  return (own.findLast(({ receivedAt }) => receivedAt <= moment) ?? own[0])?.lsn ?? null
}
