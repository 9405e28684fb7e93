/**
 * From the ruling to every single node: its role, what becomes of the sessions on it, whether it may serve reads, and
 * what an operator should know. Fence on proof, hold on doubt: silence alone ends nothing.
 */
import type { Ruling, Situation } from './situation.ts'
import { replayLagBytes } from './standby-routing.ts'
import { describeStanding, type Standing } from './standing.ts'
import type { Decision, Follower, NodeRole, NodeVerdict, SessionVerdict } from './topology-state.ts'

/** repmgr writes the row of a promoted node about 1 s after the promotion; later than this it will not come by itself. */
const METADATA_DELAY_MS = 5_000

const KEEP: SessionVerdict = { kind: 'keep' }

/** `followers` are those after this turn. */
export function judgeNodes(
  situation: Situation,
  ruling: Ruling,
  followers: ReadonlyMap<string, Follower>,
): Pick<Decision, 'nodes' | 'warnings'> {
  const nodes = new Map<string, NodeVerdict>()
  const warnings: string[] = []
  for (const { name } of situation.input.members) {
    const standing = situation.standings.get(name) ?? { kind: 'unknown' }
    const role = readRole(name, standing, situation, ruling)
    const problem = describeProblem(name, role, standing, situation)
    if (problem !== null) warnings.push(`${name} ${problem}`)
    nodes.set(name, {
      role,
      writeSessions: judgeWriteSessions(name, role, standing, situation),
      readSessions: judgeReadSessions(role),
      readable: standing.kind === 'standby' && role === 'standby' && followers.has(name),
      readProvenAt: standing.kind === 'standby' ? standing.provenAt : Number.NEGATIVE_INFINITY,
      replayLagBytes: replayLagBytes(standing, situation, followers.has(name)),
      problem,
    })
  }
  if (situation.input.members.length > 1 && ruling.primary !== null && ![...nodes.values()].some(followsPrimary)) {
    warnings.push(`no standby follows ${ruling.primary}: a failover would have nowhere to go`)
  }
  return { nodes, warnings }
}

function followsPrimary(verdict: NodeVerdict): boolean {
  return verdict.role === 'standby' && verdict.readable
}

function readRole(name: string, standing: Standing, situation: Situation, ruling: Ruling): NodeRole {
  const { epoch, fenced } = situation.input.previous
  if (fenced.has(name)) return 'fenced'
  switch (standing.kind) {
    case 'claims-primary': {
      if (epoch === null) return 'unknown'
      if (standing.timelineId < epoch.timelineId) return 'stale-primary'
      if (name === epoch.node) return name === ruling.primary ? 'primary' : 'unknown'
      if (standing.timelineId === epoch.timelineId) return isIncumbent(standing, situation) ? 'unknown' : 'impostor'
      return situation.pendingClaims.get(name)?.latched === true ? 'impostor' : 'unknown'
    }
    case 'standby':
    case 'witness':
    case 'foreign':
    case 'unknown':
      return standing.kind
    case 'unobservable':
      return name === ruling.primary ? 'primary' : 'unknown'
    case 'rejecting':
    case 'refused':
    case 'silent':
      return 'unreachable'
    default: {
      const unhandled: never = standing
      return unhandled
    }
  }
}

/** A second address of a server that already has a claim. */
function isAlias(name: string, { claims, standings, input }: Situation): boolean {
  if (standings.get(name)?.kind !== 'claims-primary' || input.previous.fenced.has(name)) return false
  return !claims.some((claim) => claim.node === name)
}

/** The very server of the epoch's node, under whatever address. A second address of anybody else gives it no rights. */
function isIncumbent(standing: Standing, { claims, input }: Situation): boolean {
  if (standing.kind !== 'claims-primary') return false
  const { systemIdentifier, postmasterStartedAt } = standing.answer
  return claims.some(
    (claim) =>
      claim.node === input.previous.epoch?.node &&
      claim.systemIdentifier === systemIdentifier &&
      claim.postmasterStartedAt === postmasterStartedAt,
  )
}

/**
 * Sessions that may write belong to the epoch's node alone. There they end on proof only: it follows somebody, belongs
 * to another cluster, came back on an older timeline, is fenced, or its server provably no longer listens (whose
 * orphaned backends go on committing and telling clients so).
 */
function judgeWriteSessions(name: string, role: NodeRole, standing: Standing, situation: Situation): SessionVerdict {
  const { epoch } = situation.input.previous
  switch (role) {
    case 'fenced':
    case 'foreign':
    case 'standby':
    case 'witness':
    case 'stale-primary':
    case 'impostor':
      return end(describeRole(role))
    case 'primary':
    case 'unreachable':
    case 'unknown':
      break
    default: {
      const unhandled: never = role
      return unhandled
    }
  }
  if (epoch !== null && name !== epoch.node && !isIncumbent(standing, situation)) return end('is not the primary')
  if (standing.kind === 'refused' && standing.proven && situation.input.policy.endSessionsWhenRefused) {
    return end('no longer listens')
  }
  return KEEP
}

/**
 * Lag, a lost upstream or silence ends no reader, nor does a promotion. But a standby that became a primary whom nobody
 * accepts is none any more, and whoever is on it could write there.
 */
function judgeReadSessions(role: NodeRole): SessionVerdict {
  switch (role) {
    case 'fenced':
    case 'foreign':
    case 'stale-primary':
    case 'impostor':
      return end(describeRole(role))
    case 'primary':
    case 'standby':
    case 'witness':
    case 'unreachable':
    case 'unknown':
      return KEEP
    default: {
      const unhandled: never = role
      return unhandled
    }
  }
}

function end(why: string): SessionVerdict {
  return { kind: 'end', why }
}

function describeRole(role: NodeRole): string {
  switch (role) {
    case 'fenced':
      return 'is fenced by an operator'
    case 'foreign':
      return 'belongs to another cluster'
    case 'stale-primary':
      return 'is a stale primary on an older timeline'
    case 'impostor':
      return 'claims to be primary without being accepted'
    default:
      return `is ${role}`
  }
}

function describeProblem(name: string, role: NodeRole, standing: Standing, situation: Situation): string | null {
  const { epoch } = situation.input.previous
  switch (standing.kind) {
    case 'claims-primary':
      if (role === 'fenced') return 'is fenced by an operator'
      if (isAlias(name, situation)) return 'is a second address of a server that is listed already: remove one'
      if (role === 'stale-primary') {
        return `claims to be primary on timeline ${standing.timelineId}, below the accepted ${epoch?.timelineId}: it is fenced, rejoin it`
      }
      if (role === 'impostor') return `claims to be primary on timeline ${standing.timelineId} and is not accepted`
      if (standing.doubtful) return 'is slow to answer'
      if (standing.answer.defaultTransactionReadOnly) return 'has default_transaction_read_only on: writes will fail'
      return describeMetadata(standing, role, situation)
    case 'standby':
      if (role === 'fenced') return 'is fenced by an operator'
      return describeStandby(standing, epoch?.timelineId ?? null)
    case 'witness':
      return standing.denied === null ? null : describeDenied(standing.denied)
    case 'unknown':
      return null
    default:
      return describeStanding(standing)
  }
}

function describeDenied(missing: string): string {
  return `does not let the monitoring role read repmgr.nodes: ${missing}`
}

function describeMetadata(
  { answer: { repmgr }, confirmed }: Extract<Standing, { kind: 'claims-primary' }>,
  role: NodeRole,
  { input }: Situation,
): string | null {
  if (repmgr.kind === 'denied') return describeDenied(repmgr.missing)
  const isSettled = input.now - input.previous.changedAt >= METADATA_DELAY_MS
  if (repmgr.kind === 'rows' && role === 'primary' && !confirmed && isSettled) {
    return 'is primary, but its repmgr metadata does not say so: run `repmgr primary register --force` there'
  }
  return null
}

function describeStandby(
  { answer, doubtful }: Extract<Standing, { kind: 'standby' }>,
  epochTimelineId: number | null,
): string | null {
  if (doubtful) return 'is slow to answer'
  if (answer.walReceiver === null) return 'has no upstream'
  if (answer.walReceiver.status !== 'streaming') return `has a WAL receiver that is ${answer.walReceiver.status}`
  if (epochTimelineId !== null && answer.timelineId !== null && answer.timelineId < epochTimelineId) {
    return `follows the older timeline ${answer.timelineId}`
  }
  return null
}
