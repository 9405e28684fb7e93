/**
 * Where one node stands, read from its evidence alone: it claims to be primary, follows somebody, refuses, is silent …
 * The alphabet of the truth table in docs/decision.md (P, S, B, F, R, T, X). Claims are not believed here.
 */
import type { FailureRun, NodeEvidence } from './evidence.ts'
import type { NodeAddress, NodeAnswer, RepmgrNodeRow } from './observation.ts'

/** Two refusals closer together than this may be one restart seen twice (facts: rule 9). */
export const REFUSED_PROOF_GAP_MS = 100

export type Standing =
  /** No probe has finished. */
  | { readonly kind: 'unknown' }
  /** P: out of recovery. `confirmed` when its own repmgr row says primary and active (P+). */
  | {
      readonly kind: 'claims-primary'
      readonly timelineId: number
      readonly confirmed: boolean
      readonly answer: NodeAnswer
      readonly provenAt: number
      /** A timeout that does not count yet came after this answer. */
      readonly doubtful: boolean
    }
  /** S: in recovery. */
  | { readonly kind: 'standby'; readonly answer: NodeAnswer; readonly provenAt: number; readonly doubtful: boolean }
  /**
   * Own row says witness, or the others' rows do where its own may not be read (`denied` says what is missing there):
   * gives a vote, never receives a session.
   */
  | { readonly kind: 'witness'; readonly denied: string | null }
  /** X: another system identifier than the pinned one. */
  | { readonly kind: 'foreign'; readonly systemIdentifier: string }
  /** B: 57P03, which says nothing about the role. */
  | { readonly kind: 'rejecting'; readonly run: FailureRun }
  /** F and its like: alive, but it does not let us look. `lastAnswer` is what it said before. */
  | { readonly kind: 'unobservable'; readonly run: FailureRun }
  /**
   * R: nobody listens, or it has vanished. `proven` after two refusals at least REFUSED_PROOF_GAP_MS apart; a name that
   * is gone never proves enough to end a session.
   */
  | { readonly kind: 'refused'; readonly run: FailureRun; readonly proven: boolean }
  /** T: no answer; frozen, cut off and dead cannot be told apart. */
  | { readonly kind: 'silent'; readonly run: FailureRun }

/** A node as the config or repmgr names it; what is needed to find its own row in `repmgr.nodes`. */
export interface Member {
  readonly name: string
  readonly address: NodeAddress
}

/** The node's own row in its own copy of `repmgr.nodes`; `null` without metadata or when no row is recognised as its own. */
export function ownRow(member: Member, answer: NodeAnswer): RepmgrNodeRow | null {
  if (answer.repmgr.kind !== 'rows') return null
  const { rows, localNodeId } = answer.repmgr
  return (
    (localNodeId !== null ? rows.find((row) => row.nodeId === localNodeId) : undefined) ??
    rows.find((row) => row.nodeName === member.name) ??
    rows.find((row) => row.address !== null && isSameAddress(row.address, member.address)) ??
    null
  )
}

export function isSameAddress(a: NodeAddress, b: NodeAddress): boolean {
  return a.port === b.port && a.host.toLowerCase() === b.host.toLowerCase()
}

/**
 * @param pinnedSystemIdentifier `null` before any is pinned: then nobody is foreign.
 * @param failuresToCount how many timeouts in a row count as silence, 1 or more; other failures count at once.
 */
export function readStanding(
  member: Member,
  evidence: NodeEvidence,
  pinnedSystemIdentifier: string | null,
  failuresToCount: number,
): Standing {
  const { failing, lastAnswer } = evidence
  if (failing === null) {
    if (lastAnswer === null) return { kind: 'unknown' }
    return readAnswer(member, lastAnswer.answer, lastAnswer.sentAt, false, pinnedSystemIdentifier)
  }
  switch (failing.failure) {
    case 'timeout':
      if (failing.count < failuresToCount && lastAnswer !== null && isRunPure(evidence)) {
        return readAnswer(member, lastAnswer.answer, lastAnswer.sentAt, true, pinnedSystemIdentifier)
      }
      return { kind: 'silent', run: failing }
    case 'dns':
    case 'reset':
    case 'protocol':
      return { kind: 'silent', run: failing }
    case 'refused':
      return { kind: 'refused', run: failing, proven: isRefusalProven(failing) }
    case 'vanished':
      return { kind: 'refused', run: failing, proven: false }
    case 'starting-up':
    case 'shutting-down':
    case 'recovering':
      return { kind: 'rejecting', run: failing }
    case 'too-many-connections':
    case 'auth':
    case 'permission':
      return { kind: 'unobservable', run: failing }
    default: {
      const unhandled: never = failing.failure
      throw new Error(`unhandled failure class ${String(unhandled)}`)
    }
  }
}

function isRefusalProven(run: FailureRun): boolean {
  return run.count >= 2 && run.lastSentAt - run.firstSentAt >= REFUSED_PROOF_GAP_MS
}

/** True when nothing but this run's failures came after the last answer: a refusal before a timeout already counted. */
function isRunPure(evidence: NodeEvidence): boolean {
  return evidence.failing !== null && evidence.failing.firstSentAt === evidence.failingSince
}

function readAnswer(
  member: Member,
  answer: NodeAnswer,
  provenAt: number,
  doubtful: boolean,
  pinnedSystemIdentifier: string | null,
): Standing {
  const row = ownRow(member, answer)
  // A witness has a system identifier of its own and is out of recovery: the classic false primary.
  if (row?.type === 'witness') return { kind: 'witness', denied: null }
  if (pinnedSystemIdentifier !== null && answer.systemIdentifier !== pinnedSystemIdentifier) {
    return { kind: 'foreign', systemIdentifier: answer.systemIdentifier }
  }
  if (answer.inRecovery) return { kind: 'standby', answer, provenAt, doubtful }
  return {
    kind: 'claims-primary',
    timelineId: answer.timelineId ?? answer.timelineIdAtLeast,
    confirmed: row !== null && row.type === 'primary' && row.active,
    answer,
    provenAt,
    doubtful,
  }
}

/** True when the node could be looked at: it claims, follows or witnesses. Counted for quorum. */
export function isObservable(standing: Standing): boolean {
  return standing.kind === 'claims-primary' || standing.kind === 'standby' || standing.kind === 'witness'
}

/** One short clause for the operator: what the node is doing, without a verdict. */
export function describeStanding(standing: Standing): string {
  switch (standing.kind) {
    case 'unknown':
      return 'has not been probed yet'
    case 'claims-primary':
      return `claims to be primary on timeline ${standing.timelineId}`
    case 'standby':
      return 'is a standby'
    case 'witness':
      return 'is a witness'
    case 'foreign':
      return `belongs to another cluster (system identifier ${standing.systemIdentifier})`
    case 'rejecting':
      return `takes no connections (${standing.run.failure.replace('-', ' ')})`
    case 'unobservable':
      return `is alive but cannot be observed (${standing.run.failure.replaceAll('-', ' ')})`
    case 'refused':
      return standing.run.failure === 'vanished' ? 'hung up, and its name is gone' : 'refuses connections'
    case 'silent':
      return SILENCE[standing.run.failure] ?? 'does not answer'
    default: {
      const unhandled: never = standing
      return unhandled
    }
  }
}

const SILENCE: Partial<Record<FailureRun['failure'], string>> = {
  dns: 'has a name that does not resolve',
  reset: 'breaks connections off',
  protocol: 'does not speak PostgreSQL',
}
