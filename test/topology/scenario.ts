/**
 * Scenarios in the notation of docs/decision.md: what each node says, turn by turn, and what is decided.
 *
 * `P1+` primary on timeline 1 whose own row says so · `P1-` its row does not · `P1` no repmgr metadata ·
 * `S1<node1` standby streaming timeline 1 from node1 · `S?` standby without an upstream (`S?2`: has seen timeline 2) ·
 * `W` witness · `X` foreign, out of recovery · `B` 57P03 · `D` shutting down · `F` 53300 · `A` auth failure ·
 * `R` refused · `T` timeout · `N` dns · `Z` reset · `P1!` default_transaction_read_only on · `P1+r2` server started a
 * second time (`S?r2` as well) · `.` no news this turn.
 */
import { decideTopology } from '../../src/topology/decide-topology.ts'
import { addObservation, NO_EVIDENCE, type NodeEvidence } from '../../src/topology/evidence.ts'
import { parseLsn } from '../../src/topology/lsn.ts'
import type { FailureClass, NodeAnswer, Observation, RepmgrNodeRow } from '../../src/topology/observation.ts'
import type { Policy } from '../../src/topology/situation.ts'
import type { Member } from '../../src/topology/standing.ts'
import { type Decision, type Epoch, initialState, type TopologyState } from '../../src/topology/topology-state.ts'

export const PINNED = '7000000000000000001'
export const FOREIGN = '7999999999999999999'

export const POLICY: Policy = {
  requireMajority: false,
  graceMs: 2000,
  endSessionsWhenRefused: true,
  failuresToCount: 3,
}

/** 127.0.0.1:5432 is node1, 127.0.0.2:5432 node2 … */
export function member(name: string): Member {
  return { name, address: { host: `127.0.0.${name.replace('node', '')}`, port: 5432 } }
}

const FAILURES: Readonly<Record<string, FailureClass>> = {
  B: 'starting-up',
  D: 'shutting-down',
  F: 'too-many-connections',
  A: 'auth',
  R: 'refused',
  T: 'timeout',
  N: 'dns',
  V: 'vanished',
  Z: 'reset',
}

export class Scenario {
  now = 0
  state: TopologyState
  decision: Decision | null = null
  readonly members: Member[]
  readonly evidence = new Map<string, NodeEvidence>()
  readonly policy: Policy
  /** Every epoch that was put to disk, in order. */
  readonly accepted: Epoch[] = []

  constructor(options: {
    nodes?: number
    /** `1 node1`: timeline and node; none for a cold start. */
    epoch?: string
    fenced?: string[]
    policy?: Partial<Policy>
  }) {
    this.members = Array.from({ length: options.nodes ?? 3 }, (_, index) => member(`node${index + 1}`))
    this.policy = { ...POLICY, ...options.policy }
    this.state = initialState(options.epoch === undefined ? null : epochOf(options.epoch), options.fenced ?? [], 0)
  }

  /** One round of probes `afterMs` later, then a decision; an acceptance is written and decided again, as the loop does. */
  turn(says: readonly string[], afterMs = 50): this {
    this.now += afterMs
    says.forEach((said, index) => {
      const node = this.members[index]
      if (node === undefined || said === '.') return
      const observation = observe(said, node, this.members, this.now)
      this.evidence.set(node.name, addObservation(this.evidence.get(node.name) ?? NO_EVIDENCE, observation))
    })
    this.decide()
    if (this.decision?.accept) {
      this.accepted.push(this.decision.accept)
      this.state = { ...this.state, epoch: this.decision.accept }
      this.decide()
    }
    return this
  }

  /** The same round every 50 ms for a while: silence comes to count, a grace passes. */
  repeat(says: readonly string[], forMs: number, everyMs = 50): this {
    for (let elapsed = 0; elapsed < forMs; elapsed += everyMs) this.turn(says, everyMs)
    return this
  }

  private decide(): void {
    const { decision, state } = decideTopology({
      previous: this.state,
      members: this.members,
      evidence: this.evidence,
      policy: this.policy,
      now: this.now,
      wallTime: '2026-01-01T00:00:00.000Z',
    })
    this.decision = decision
    this.state = state
  }

  get verdict(): string {
    const decision = this.decision
    if (decision === null) throw new Error('no turn yet')
    return `${decision.kind}${decision.primary === null ? '' : ` ${decision.primary}`}`
  }

  get epoch(): string {
    const { epoch } = this.state
    return epoch === null ? 'none' : `${epoch.timelineId} ${epoch.node}`
  }

  role(node: string): string | undefined {
    return this.decision?.nodes.get(node)?.role
  }

  /** `keep` or `end`, for sessions that may write. */
  sessions(node: string): string | undefined {
    return this.decision?.nodes.get(node)?.writeSessions.kind
  }
}

function epochOf(text: string): Epoch {
  const [timeline = '', node = ''] = text.split(' ')
  return { systemIdentifier: PINNED, timelineId: Number(timeline), node, at: '2025-12-31T00:00:00.000Z' }
}

function observe(said: string, node: Member, members: readonly Member[], now: number): Observation {
  const failure = FAILURES[said]
  if (failure !== undefined) return { kind: 'failed', sentAt: now, receivedAt: now + 1, failure, detail: said }
  return { kind: 'answered', sentAt: now, receivedAt: now + 1, answer: answerOf(said, node, members) }
}

export function answerOf(said: string, node: Member, members: readonly Member[]): NodeAnswer {
  const base = {
    systemIdentifier: PINNED,
    postmasterStartedAt: `${node.name}-1`,
    defaultTransactionReadOnly: said.includes('!'),
    lsn: parseLsn('0/5000060'),
    repmgr: { kind: 'absent' } as NodeAnswer['repmgr'],
  }
  const primary = /^P(\d+)([+-])?!?(?:r(\d+))?$/.exec(said)
  if (primary !== null) {
    const [, timeline = '', sign, start = '1'] = primary
    return {
      ...base,
      inRecovery: false,
      timelineId: Number(timeline),
      timelineIdAtLeast: Number(timeline),
      postmasterStartedAt: `${node.name}-${start}`,
      replayLsn: null,
      walReceiver: null,
      repmgr: sign === undefined ? base.repmgr : rows(members, sign === '+' ? node.name : 'somebody-else'),
    }
  }
  const standby = /^S(\d+)<(node\d+)$/.exec(said)
  if (standby !== null) {
    const [, timeline = '', upstream = ''] = standby
    const { address } = member(upstream)
    return {
      ...base,
      inRecovery: true,
      timelineId: Number(timeline),
      timelineIdAtLeast: 1,
      replayLsn: parseLsn('0/5000000'),
      walReceiver: {
        status: 'streaming',
        senderHost: address.host,
        senderPort: address.port,
        receivedTimelineId: Number(timeline),
        lastMessageAgeMs: 10,
      },
    }
  }
  const orphan = /^S\?(\d+)?(?:r(\d+))?$/.exec(said)
  if (orphan !== null) {
    return {
      ...base,
      postmasterStartedAt: `${node.name}-${orphan[2] ?? '1'}`,
      inRecovery: true,
      timelineId: null,
      timelineIdAtLeast: Number(orphan[1] ?? 1),
      replayLsn: parseLsn('0/5000000'),
      walReceiver: null,
    }
  }
  const out = { ...base, inRecovery: false, timelineId: 1, timelineIdAtLeast: 1, replayLsn: null, walReceiver: null }
  if (said === 'X') return { ...out, systemIdentifier: FOREIGN }
  const named = /^W(\d?)$/.exec(said)
  if (named !== null) {
    const witness = rows(members, `node${named[1] || '1'}`)
    const asWitness = (row: RepmgrNodeRow): RepmgrNodeRow =>
      row.nodeName === node.name ? { ...row, type: 'witness' } : row
    return {
      ...out,
      systemIdentifier: FOREIGN,
      repmgr: witness.kind === 'rows' ? { ...witness, rows: witness.rows.map(asWitness) } : witness,
    }
  }
  throw new Error(`what does "${said}" mean?`)
}

function rows(members: readonly Member[], primary: string): NodeAnswer['repmgr'] {
  return {
    kind: 'rows',
    localNodeId: null,
    rows: members.map((known, index) => ({
      nodeId: index + 1,
      nodeName: known.name,
      type: known.name === primary ? 'primary' : 'standby',
      active: true,
      upstreamNodeId: known.name === primary ? null : 1,
      address: known.address,
    })),
  }
}
