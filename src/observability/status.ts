/**
 * What `GET /api/status` answers: the decision with its reason and every node's evidence. A pure function of the
 * snapshot; the shape is the contract of spec section 8.
 */
import { formatNodeAddress } from '../config/address.ts'
import type { NodeIdentity } from '../ports.ts'
import type { CloseReasonKind } from '../session/close-reason.ts'
import type { NodeEvidence } from '../topology/evidence.ts'
import { formatLsn } from '../topology/lsn.ts'
import type { Decision, NodeRole, TopologyKind, TopologyState } from '../topology/topology-state.ts'

export interface NodeStatus {
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
  readonly problem: string | null
}

export interface Status {
  readonly state: TopologyKind
  readonly reason: string
  readonly primary: string | null
  /** The last accepted primary, whether it serves now or not. */
  readonly incumbent: string | null
  /** Of the last accepted primary, whether it serves now or not. */
  readonly timelineId: number | null
  readonly systemIdentifier: string | null
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
  readonly version: string
  readonly uptimeSeconds: number
}

export interface StatusInput {
  /** `null` before the first decision. */
  readonly decision: Decision | null
  readonly state: TopologyState
  readonly members: readonly NodeIdentity[]
  readonly evidence: ReadonlyMap<string, NodeEvidence>
  readonly sessionCountOn: (node: string) => number
  readonly sessions: Status['sessions']
  readonly listeners: readonly string[]
  readonly isDraining: boolean
  readonly version: string
  readonly startedAt: number
  readonly now: number
  readonly wallTime: Date
}

export function buildStatus(input: StatusInput): Status {
  const { decision, state, now } = input
  return {
    state: state.kind,
    reason: state.reason,
    primary: state.primary,
    incumbent: state.epoch?.node ?? null,
    timelineId: state.epoch?.timelineId ?? null,
    systemIdentifier: state.epoch?.systemIdentifier ?? null,
    since: new Date(input.wallTime.getTime() - (now - state.changedAt)).toISOString(),
    nodes: input.members.map((member) => buildNodeStatus(member, input)),
    sessions: input.sessions,
    warnings: decision?.warnings ?? [],
    listeners: input.listeners,
    draining: input.isDraining,
    version: input.version,
    uptimeSeconds: Math.round((now - input.startedAt) / 1000),
  }
}

function buildNodeStatus(member: NodeIdentity, { decision, evidence, now, sessionCountOn }: StatusInput): NodeStatus {
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
    role: verdict?.role ?? 'unknown',
    inRecovery: dated?.answer.inRecovery ?? null,
    timelineId: dated?.answer.timelineId ?? null,
    systemIdentifier: dated?.answer.systemIdentifier ?? null,
    lsn: dated?.answer.lsn == null ? null : formatLsn(dated.answer.lsn),
    replayLagBytes: verdict?.replayLagBytes ?? null,
    upstream,
    lastSeenMs: dated === null ? null : Math.round(now - dated.receivedAt),
    sessions: sessionCountOn(member.name),
    problem: problem !== null && failure !== null ? `${problem}: ${failure.detail}` : problem,
  }
}
