/**
 * What `GET /api/status` answers: the decision with its reason and every node's evidence. A pure function of the
 * snapshot; the shape is the contract of spec section 8.
 */
import { formatNodeAddress } from '../config/address.ts'
import type { NodeIdentity } from '../ports.ts'
import type { CloseReasonKind } from '../session/close-reason.ts'
import type { NodeEvidence } from '../topology/evidence.ts'
import { explainDecision } from '../topology/explain-decision.ts'
import { explainNodes, type NodeEvidenceSheet } from '../topology/explain-node.ts'
import { formatLsn } from '../topology/lsn.ts'
import type { Rule } from '../topology/rules.ts'
import type { DecisionInput, Policy } from '../topology/situation.ts'
import type { Decision, Epoch, NodeRole, TopologyKind, TopologyState } from '../topology/topology-state.ts'

export interface NodeStatus extends NodeEvidenceSheet {
  readonly name: string
  readonly address: string
  readonly role: NodeRole
  /** What the node last said; `null` while it has not said anything. */
  readonly inRecovery: boolean | null
  readonly timelineId: number | null
  readonly systemIdentifier: string | null
  readonly lsn: string | null
  readonly replayLagBytes: number | null
  /** Address of the upstream it streams from. */
  readonly upstream: string | null
  /** Age of the last answer. */
  readonly lastSeenMs: number | null
  readonly sessions: number
  /** A `route: standby` listener may send sessions there. */
  readonly readable: boolean
  /** Why sessions that could write are ended there; `null` while they are kept. */
  readonly endsSessions: string | null
  readonly problem: string | null
}

export interface Status {
  readonly state: TopologyKind
  /** The rule that decided; `null` before the first decision. */
  readonly rule: Rule | null
  readonly reason: string
  /** The facts and orders that would change the decision, one sentence each. */
  readonly outlook: readonly string[]
  readonly primary: string | null
  /** The last accepted primary, whether it serves now or not. */
  readonly incumbent: string | null
  /** Of the last accepted primary, whether it serves now or not. */
  readonly timelineId: number | null
  readonly systemIdentifier: string | null
  /** The last acceptance, as it is on disk. */
  readonly epoch: Epoch | null
  /** When state or primary last changed. */
  readonly since: string
  readonly nodes: readonly NodeStatus[]
  readonly sessions: {
    readonly active: number
    readonly held: number
    readonly accepted: number
    readonly ended: Readonly<Record<CloseReasonKind, number>>
  }
  readonly warnings: readonly string[]
  readonly listeners: readonly string[]
  readonly draining: boolean
  /** Processes that were replaced by an upgrade and still have sessions, the latest first. */
  readonly predecessors: readonly PredecessorStatus[]
  /** Processes that have the sessions; none when the proxy has them in its own. */
  readonly workers: readonly WorkerStatus[]
  readonly version: string
  readonly uptimeSeconds: number
}

/** By its last report. */
export interface WorkerStatus {
  /** Counted from 1; the one that replaces it has the same. */
  readonly worker: number
  readonly pid: number
  readonly sessions: number
  readonly rssBytes: number
  /** Of all threads, since its start. */
  readonly cpuSeconds: number
  /** The longest time in the last second or so that its event loop was late. */
  readonly eventLoopDelayMs: number
}

export interface PredecessorStatus {
  readonly pid: number
  readonly version: string
  readonly startedAt: string
  readonly sessions: number
}

export interface StatusInput {
  /** `null` before the first decision. */
  readonly decision: Decision | null
  readonly state: TopologyState
  readonly members: readonly NodeIdentity[]
  readonly evidence: ReadonlyMap<string, NodeEvidence>
  readonly policy: Policy
  readonly sessionCountOn: (node: string) => number
  readonly sessions: Status['sessions']
  readonly listeners: readonly string[]
  readonly isDraining: boolean
  /** Left out: none. */
  readonly predecessors?: readonly PredecessorStatus[]
  /** Left out: none. */
  readonly workers?: readonly WorkerStatus[]
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly wallTime: Date
}

export function buildStatus(input: StatusInput): Status {
  const { decision, state, now } = input
  const decided: DecisionInput = { ...input, previous: state, wallTime: input.wallTime.toISOString() }
  const sheets = explainNodes(decided)
  return {
    state: state.kind,
    rule: decision?.rule ?? null,
    reason: state.reason,
    outlook: decision === null ? [] : explainDecision(decided, decision),
    primary: state.primary,
    incumbent: state.epoch?.node ?? null,
    timelineId: state.epoch?.timelineId ?? null,
    systemIdentifier: state.epoch?.systemIdentifier ?? null,
    epoch: state.epoch,
    since: new Date(input.wallTime.getTime() - (now - state.changedAt)).toISOString(),
    nodes: input.members.map((member) => buildNodeStatus(member, sheets.get(member.name) ?? NO_SHEET, input)),
    sessions: input.sessions,
    warnings: decision?.warnings ?? [],
    listeners: input.listeners,
    draining: input.isDraining,
    predecessors: input.predecessors ?? [],
    workers: input.workers ?? [],
    version: input.version,
    uptimeSeconds: Math.round((now - input.startedAt) / 1000),
  }
}

const NO_SHEET: NodeEvidenceSheet = {
  standing: 'has not been probed yet',
  claim: null,
  votesFor: null,
  repmgr: null,
  failing: null,
}

function buildNodeStatus(
  member: NodeIdentity,
  sheet: NodeEvidenceSheet,
  { decision, evidence, now, sessionCountOn }: StatusInput,
): NodeStatus {
  const verdict = decision?.nodes.get(member.name)
  const known = evidence.get(member.name)
  const dated = known?.lastAnswer ?? null
  const receiver = dated?.answer.walReceiver
  const upstream =
    receiver?.senderHost && receiver.senderPort
      ? formatNodeAddress({ host: receiver.senderHost, port: receiver.senderPort })
      : null
  const failure = known?.failing ?? null
  const problem = verdict?.problem ?? null
  return {
    name: member.name,
    address: formatNodeAddress(member.address),
    ...sheet,
    role: verdict?.role ?? 'unknown',
    inRecovery: dated?.answer.inRecovery ?? null,
    timelineId: dated?.answer.timelineId ?? null,
    systemIdentifier: dated?.answer.systemIdentifier ?? null,
    lsn: dated?.answer.lsn == null ? null : formatLsn(dated.answer.lsn),
    replayLagBytes: verdict?.replayLagBytes ?? null,
    upstream,
    lastSeenMs: dated === null ? null : Math.round(now - dated.receivedAt),
    sessions: sessionCountOn(member.name),
    readable: verdict?.readable ?? false,
    endsSessions: verdict?.writeSessions.kind === 'end' ? verdict.writeSessions.why : null,
    problem: problem !== null && failure !== null ? `${problem}: ${failure.detail}` : problem,
  }
}
