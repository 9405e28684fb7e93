/**
 * The promises, checked from what has reached the proxy (facts.ts) and from what the simulation knows, never from the
 * decision's own reading of it. Test support. Each returns the broken promises as sentences.
 */
import type { RouteRequest } from '../../src/topology/route-session.ts'
import type { Decision, Epoch } from '../../src/topology/topology-state.ts'
import type { Facts } from './facts.ts'
import type { Setup } from './plan.ts'
import type { SimSession } from './sim-session.ts'

export interface CheckedProxy {
  readonly facts: Facts
  readonly setup: Setup
  readonly members: readonly string[]
  /** Those that the configuration lists. */
  readonly listed: readonly string[]
  readonly now: number
  readonly isWitness: (node: string) => boolean
  /** Of the member that listens there. */
  readonly nameAt: (host: string) => string | null
}

/** So long a standby may take to find its way back to a primary that was lost (ADR 7). */
const FOLLOW_AGAIN_MS = 10_000

/** Failures after which a node takes nobody new, or may not be what it was. */
const BARS_NEW = new Set([
  'refused',
  'vanished',
  'reset',
  'dns',
  'protocol',
  'starting-up',
  'shutting-down',
  'recovering',
])

/** Somebody who may write is sent to `node` now. */
export function checkWriteRoute(node: string, proxy: CheckedProxy, diskEpoch: Epoch | null): string[] {
  const { facts, setup, members, now } = proxy
  const { epoch } = facts.known
  const broken: string[] = []
  if (proxy.isWitness(node)) broken.push(`${node} is a witness`)
  if (epoch === null) return [...broken, `${node} was never accepted`]
  if (epoch.node !== node) broken.push(`${node} is not the accepted primary, which is ${epoch.node}`)
  if (diskEpoch?.node !== epoch.node || diskEpoch.timelineId !== epoch.timelineId) {
    broken.push(`the epoch is not on the disk: there is ${JSON.stringify(diskEpoch)}`)
  }
  const proof = facts.proofAgainst(node, true)
  if (proof !== null) broken.push(`${node} ${proof}`)
  const failure = facts.failure(node)
  if (failure !== null && BARS_NEW.has(failure)) broken.push(`the last probe of ${node} was answered by ${failure}`)
  const standing = facts.standing(node)
  const provenAt = standing?.sentAt ?? facts.unobservableSince(node)
  if (provenAt === null) broken.push(`${node} does not answer`)
  else if (now - provenAt > setup.timing.decisionTtlMs) broken.push(`the last proof of ${node} is too old`)
  if (provenAt !== null && provenAt <= (facts.doubtedAt.get(node) ?? Number.NEGATIVE_INFINITY)) {
    broken.push(`${node} has refused a dial since it was last asked`)
  }
  for (const member of proxy.listed) if (!facts.isObserved(member)) broken.push(`${member} was not asked yet`)
  const ownTimelineId = Math.max(standing?.answer.timelineId ?? 0, epoch.timelineId)
  const rivals = facts.claims(members).filter((claim) => claim.node !== node)
  for (const { node: rival, answer } of rivals) {
    const timelineId = answer.timelineId ?? 0
    const isAlone = rivals.every((each) => each.node === rival || each.answer.timelineId !== timelineId)
    if (timelineId > ownTimelineId && isAlone && facts.isConfirmed(rival, answer)) {
      broken.push(`${rival} is its sanctioned successor on timeline ${timelineId}`)
    }
    const claim = facts.claimOf(rival)
    if (timelineId > ownTimelineId && isAlone && (claim === null || now - claim.firstAt < setup.policy.graceMs)) {
      broken.push(`${rival} claims timeline ${timelineId}, and the grace runs`)
    }
    if (timelineId === epoch.timelineId && facts.unbroken === null) {
      broken.push(`${rival} claims the same timeline, and ${node} was away since it last served alone`)
    }
  }
  if (!hasMajority(proxy)) broken.push('only a minority can be observed')
  return broken
}

/** Somebody who only reads is sent to `node` now. */
export function checkReadRoute(node: string, request: RouteRequest, proxy: CheckedProxy, decision: Decision): string[] {
  const { facts, setup, now } = proxy
  const { epoch, fenced } = facts.known
  const standing = facts.standing(node)
  if (standing === null || epoch === null) return [`${node} does not answer, or no primary was ever accepted`]
  const { answer, sentAt } = standing
  const broken: string[] = []
  if (proxy.isWitness(node)) broken.push(`${node} is a witness`)
  if (!answer.inRecovery) broken.push(`${node} is no standby`)
  if (node === epoch.node) broken.push(`${node} was the primary`)
  if (answer.systemIdentifier !== epoch.systemIdentifier) broken.push(`${node} is of another cluster`)
  if (answer.timelineId !== null && answer.timelineId !== epoch.timelineId) {
    broken.push(`${node} is on timeline ${answer.timelineId}, not ${epoch.timelineId}`)
  }
  if (answer.timelineIdAtLeast > epoch.timelineId) broken.push(`${node} knows a later timeline`)
  if (fenced.includes(node)) broken.push(`${node} is fenced`)
  if (decision.kind === 'split-brain' && decision.primary === null) broken.push('two claim, and neither is believed')
  if (decision.primary === null && fenced.includes(epoch.node)) broken.push(`its primary ${epoch.node} is fenced`)
  if (now - sentAt > setup.timing.decisionTtlMs) broken.push(`the last proof of ${node} is too old`)
  if (answer.walReceiver?.status === 'streaming') {
    const upstream = proxy.nameAt(answer.walReceiver.senderHost ?? '')
    const said = upstream === null ? null : facts.standing(upstream)
    if (upstream !== epoch.node && said?.answer.inRecovery === false) {
      broken.push(`${node} follows ${upstream}, which is not the primary`)
    }
  } else if (decision.primary !== null) {
    const primarySentAt = facts.standing(decision.primary)?.sentAt ?? Number.NEGATIVE_INFINITY
    const isBack = now - facts.primaryLostAt > FOLLOW_AGAIN_MS
    if (isBack && primarySentAt > sentAt)
      broken.push(`${node} follows nobody, and ${decision.primary} lives on without it`)
  }
  const { maxLagBytes } = request
  if (maxLagBytes !== null && answer.lsn !== null && answer.replayLsn !== null) {
    const lagBytes = Number(answer.lsn - answer.replayLsn)
    if (lagBytes > maxLagBytes) broken.push(`${node} lags by ${lagBytes} bytes`)
  }
  return broken
}

/** The decision wants to accept somebody. */
export function checkAcceptance(wanted: Epoch, proxy: CheckedProxy): string[] {
  const { facts, members, setup, now } = proxy
  const { epoch, fenced } = facts.known
  const { node, timelineId } = wanted
  const broken: string[] = []
  const answer = facts.standing(node)?.answer
  if (answer === undefined || answer.inRecovery || answer.timelineId !== timelineId) {
    broken.push(`${node} does not say that it is primary on timeline ${timelineId}`)
  }
  if (proxy.isWitness(node)) broken.push(`${node} is a witness`)
  if (fenced.includes(node)) broken.push(`${node} is fenced`)
  if (!hasMajority(proxy)) broken.push('only a minority can be observed')
  const claims = facts.claims(members)
  const isConfirmed = answer !== undefined && facts.isConfirmed(node, answer)
  const others = claims.filter((claim) => claim.node !== node)
  if (others.some((other) => other.answer.timelineId === timelineId)) {
    broken.push(`somebody else claims timeline ${timelineId} as well`)
  }
  if (others.some((other) => (other.answer.timelineId ?? 0) > timelineId) && !isConfirmed) {
    broken.push('somebody claims a higher timeline')
  }
  if (epoch === null) return [...broken, ...checkColdAcceptance(wanted, proxy)]

  if (wanted.systemIdentifier !== epoch.systemIdentifier) broken.push(`${node} is of another cluster`)
  if (timelineId <= epoch.timelineId) broken.push(`timeline ${timelineId} is not above ${epoch.timelineId}`)
  if (isConfirmed || node === epoch.node) return broken
  const claim = facts.claimOf(node)
  if (claim?.timelineId === timelineId && claim.outlived) broken.push(`${epoch.node} has outlived that claim`)
  const incumbent = facts.standing(epoch.node)?.answer
  const isFenced = fenced.includes(epoch.node)
  const isGone = isFenced || ['refused', 'vanished'].includes(facts.failure(epoch.node) ?? '')
  const isPrimaryStill =
    incumbent !== undefined &&
    !incumbent.inRecovery &&
    incumbent.systemIdentifier === epoch.systemIdentifier &&
    (incumbent.timelineId ?? 0) >= epoch.timelineId
  if (isPrimaryStill && !isFenced) broken.push(`${epoch.node} still answers as primary`)
  if (incumbent === undefined && !isGone && members.includes(epoch.node)) {
    const last = facts.lastAnswered(epoch.node)
    const wasPrimary = last !== null && !last.answer.inRecovery
    if (wasPrimary && now - last.receivedAt < setup.policy.graceMs) {
      broken.push(`${epoch.node} has answered as primary ${Math.round(now - last.receivedAt)} ms ago`)
    }
  }
  return broken
}

function checkColdAcceptance(wanted: Epoch, { facts, members, isWitness }: CheckedProxy): string[] {
  const broken: string[] = []
  const claims = facts.claims(members)
  for (const member of members) {
    if (!facts.isObserved(member)) broken.push(`${member} was not asked yet`)
    const answer = facts.standing(member)?.answer
    if (answer === undefined) continue
    const known = Math.max(answer.timelineId ?? 0, answer.timelineIdAtLeast)
    if (answer.inRecovery && known > wanted.timelineId) broken.push(`${member} has seen timeline ${known}`)
    if (!isWitness(member) && answer.systemIdentifier !== wanted.systemIdentifier) {
      broken.push(`${member} belongs to another cluster`)
    }
    if (isWitness(member) && claims.length === 1 && answer.repmgr.kind === 'rows') {
      const named = answer.repmgr.rows.find((row) => row.type === 'primary' && row.active)?.nodeName
      if (named !== undefined && named !== wanted.node) broken.push(`the witness ${member} names ${named}`)
    }
  }
  const answer = facts.standing(wanted.node)?.answer
  if (claims.length > 1 && (answer === undefined || !facts.isConfirmed(wanted.node, answer))) {
    broken.push(`${claims.length} claim, and no row says that ${wanted.node} is right`)
  }
  const observable = members.filter((member) => facts.standing(member) !== null).length
  if (observable * 2 < members.length) broken.push(`only ${observable} of ${members.length} can be observed`)
  return broken
}

function hasMajority({ facts, members, setup }: CheckedProxy): boolean {
  if (!setup.policy.requireMajority) return true
  return members.filter((member) => facts.standing(member) !== null).length * 2 > members.length
}

/** After all that a step led to: who is still where he must not be, and are there two primaries? */
export function checkPlacement(sessions: Iterable<SimSession>, proxy: CheckedProxy): string[] {
  const broken: string[] = []
  const { facts, setup, members } = proxy
  const written = new Set<string>()
  for (const { node, access, id } of sessions) {
    if (node === null) continue
    if (access === 'write') {
      written.add(node)
      const proof = facts.proofAgainst(node, setup.policy.endSessionsWhenRefused)
      if (proof !== null) broken.push(`session ${id} is kept on ${node}, which ${proof}`)
    } else {
      const proof = proofAgainstReader(node, proxy)
      if (proof !== null) broken.push(`reader ${id} is kept on ${node}, which ${proof}`)
    }
    if (!members.includes(node)) broken.push(`session ${id} is kept on ${node}, which is no node`)
  }
  if (written.size > 1) broken.push(`sessions write on ${[...written].join(' and ')} at a time`)
  return broken
}

/** A session was ended by a decision: was there a proof? */
export function checkEnding(session: SimSession, node: string, proxy: CheckedProxy): string[] {
  if (!proxy.members.includes(node)) return []
  const { facts, setup } = proxy
  if (session.access === 'write') {
    const proof = facts.proofAgainst(node, setup.policy.endSessionsWhenRefused)
    return proof === null ? [`session ${session.id} on ${node} was ended without a proof`] : []
  }
  if (setup.onPromotion === 'end' && facts.known.epoch?.node === node) return []
  const claim = facts.claims([node])[0]
  const isImpostor = claim !== undefined && node !== facts.known.epoch?.node
  const isProven = isImpostor || proofAgainstReader(node, proxy) !== null
  return isProven ? [] : [`reader ${session.id} on ${node} was ended without a proof`]
}

/** Why readers may not stay: fenced, of another cluster, or a primary that nobody accepts. */
function proofAgainstReader(node: string, { facts }: CheckedProxy): string | null {
  const { epoch, fenced } = facts.known
  if (fenced.includes(node)) return 'is fenced'
  const answer = facts.standing(node)?.answer
  if (answer === undefined || epoch === null) return null
  if (answer.systemIdentifier !== epoch.systemIdentifier) return 'is of another cluster'
  if (answer.inRecovery || node === epoch.node) return null
  return (answer.timelineId ?? 0) <= epoch.timelineId ? 'claims to be primary and is not accepted' : null
}
