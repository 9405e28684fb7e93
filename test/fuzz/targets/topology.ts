/**
 * The decision under any sequence of observations: nodes that say anything, late and out of order, epochs that reach the
 * disk or not, restarts, operators' orders, members that come and go. Fuzz target. After every decision the invariants of
 * ARCHITECTURE.md that can be said of it are checked from the evidence, not from the code's own reading of it; in the end
 * the cluster heals, and the decision must find its primary.
 */
import { isDeepStrictEqual } from 'node:util'
import { decideTopology } from '../../../src/topology/decide-topology.ts'
import { addObservation, NO_EVIDENCE, type NodeEvidence } from '../../../src/topology/evidence.ts'
import { parseLsn } from '../../../src/topology/lsn.ts'
import { discoverMembers } from '../../../src/topology/members.ts'
import { FAILURE_CLASSES, type NodeAnswer } from '../../../src/topology/observation.ts'
import { cancelTargets, routeSession } from '../../../src/topology/route-session.ts'
import { judgeSession } from '../../../src/topology/session-verdict.ts'
import type { Policy } from '../../../src/topology/situation.ts'
import type { Member } from '../../../src/topology/standing.ts'
import { type Decision, type Epoch, initialState, type TopologyState } from '../../../src/topology/topology-state.ts'
import { ByteReader } from '../byte-reader.ts'
import { ensure, type FuzzTarget } from '../target.ts'
import { answerOf, IDENTIFIERS, memberOf, NAMES } from './topology-answers.ts'

const WALL_TIME = '2026-01-01T00:00:00.000Z'
const STEPS_MAX = 120
/** Deciding twice costs twice: not every time. */
const REPEATED_EVERY = 4
const TTL_MS = 5_000

class World {
  now = 1_000
  configured: readonly Member[]
  members: readonly Member[]
  evidence = new Map<string, NodeEvidence>()
  state: TopologyState
  decision: Decision | null = null
  pendingEpoch: Epoch | null = null
  #decisions = 0
  readonly policy: Policy

  constructor(reader: ByteReader) {
    this.configured = NAMES.slice(0, 1 + reader.below(4)).map(memberOf)
    this.members = this.configured
    this.policy = {
      requireMajority: reader.isRare(4),
      graceMs: reader.pick([2_000, 0, 500]),
      endSessionsWhenRefused: !reader.isRare(4),
      failuresToCount: 1 + reader.below(3),
    }
    const epoch = reader.isRare(3) ? null : epochOf(reader.pick(NAMES), reader.below(4) + 1)
    this.state = initialState(epoch, reader.isRare(6) ? [reader.pick(NAMES)] : [], this.now)
  }

  decide(): void {
    const previous = this.state
    const input = {
      previous,
      members: this.members,
      evidence: this.evidence,
      policy: this.policy,
      now: this.now,
      wallTime: WALL_TIME,
    }
    const { decision, state } = decideTopology(input)
    checkDecision(decision, state, this, previous)
    this.#decisions += 1
    if (this.#decisions % REPEATED_EVERY === 0) {
      ensure(isDeepStrictEqual(decideTopology(input), { decision, state }), 'the same input gives the same decision')
      const again = decideTopology({ ...input, previous: state }).decision
      ensure(again.primary === decision.primary || decision.primary === null, 'deciding once more routes nowhere else')
      ensure(
        again.primary === null || again.primary === previous.epoch?.node,
        'I1: nor to anybody but the epoch’s node',
      )
    }
    this.state = state
    this.decision = decision
    this.pendingEpoch = decision.accept
  }

  /** The epoch has reached the disk. */
  save(): void {
    if (this.pendingEpoch === null) return
    this.state = { ...this.state, epoch: this.pendingEpoch }
    this.pendingEpoch = null
    this.decide()
  }
}

function epochOf(node: string, timelineId: number): Epoch {
  return { systemIdentifier: IDENTIFIERS[0] ?? '', timelineId, node, at: WALL_TIME }
}

function step(world: World, reader: ByteReader): void {
  switch (reader.below(16)) {
    case 0:
      world.now += reader.pick([1, 50, 101, 1_000, 2_001, 6_000, 60_000])
      return world.decide()
    case 1:
      return world.save()
    case 2:
      // A restart: the epoch and the fences are on disk, nothing else.
      world.state = initialState(world.state.epoch, world.state.fenced, world.now)
      world.evidence = new Map()
      world.pendingEpoch = null
      return world.decide()
    case 3: {
      const fenced = new Set(world.state.fenced)
      const node = reader.pick(NAMES)
      if (!fenced.delete(node)) fenced.add(node)
      world.state = { ...world.state, fenced }
      return world.decide()
    }
    case 4: {
      const primary = world.decision?.primary == null ? null : world.state.epoch
      world.members = discoverMembers(world.configured, world.members, world.evidence, primary)
      const names = world.members.map(({ name }) => name)
      ensure(new Set(names).size === names.length, 'no member is there twice')
      ensure(
        world.configured.every((member) => world.members.includes(member)),
        'a configured node stays a member',
      )
      return world.decide()
    }
    case 5: {
      // An operator's order, the only way down for an epoch.
      if (!reader.isRare(4)) return
      const node = reader.pick(NAMES)
      const { lastAnswer, failing } = world.evidence.get(node) ?? NO_EVIDENCE
      // As the health loop has it: a node that does not answer, or is in recovery, is not accepted.
      if (failing !== null || lastAnswer === null || lastAnswer.answer.inRecovery) return
      const { timelineId, postmasterStartedAt } = lastAnswer.answer
      const epoch = epochOf(node, timelineId ?? 1)
      world.state = { ...world.state, epoch, pendingClaims: new Map(), unbrokenSince: postmasterStartedAt }
      return world.decide()
    }
    default: {
      world.now += reader.below(4) * 25
      const { name } = reader.pick(world.members)
      const sentAt = world.now - (reader.isRare(8) ? 3_000 : 5)
      const times = { sentAt, receivedAt: world.now }
      const known = world.evidence.get(name) ?? NO_EVIDENCE
      const observation = reader.isRare(3)
        ? ({ kind: 'failed', ...times, failure: reader.pick(FAILURE_CLASSES), detail: 'x' } as const)
        : ({ kind: 'answered', ...times, answer: answerOf(reader, name, world.members) } as const)
      world.evidence.set(name, addObservation(known, observation))
      return world.decide()
    }
  }
}

/** Failures after which nothing is proven: they end no session. */
const DOUBTS: ReadonlySet<string> = new Set(FAILURE_CLASSES.filter((failure) => failure !== 'refused'))

/** The invariants, read from the evidence. */
function checkDecision(decision: Decision, state: TopologyState, world: World, previous: TopologyState): void {
  const { epoch, fenced } = previous
  const { primary, accept, nodes } = decision
  ensure(state.epoch === epoch, 'I3: deciding never changes the epoch')
  ensure(nodes.size === world.members.length, 'every member has a verdict')
  ensure(decision.reason !== '' && !/undefined|NaN|null/.test(decision.reason), 'the decision has a reason')

  const primaries = [...nodes].filter(([, { role }]) => role === 'primary').map(([name]) => name)
  ensure(primaries.length <= 1 && (primaries[0] ?? primary) === primary, 'there are never two primaries')
  const keeping = [...nodes].filter(([name, { writeSessions }]) => {
    return (
      epoch !== null && name !== epoch.node && writeSessions.kind === 'keep' && !isSameServer(name, epoch.node, world)
    )
  })
  ensure(keeping.length === 0, 'I1: no other server keeps sessions that may write')

  if (primary !== null) {
    ensure(primary === epoch?.node, "I1: the primary is the epoch's node")
    ensure(!fenced.has(primary), 'a fenced node is not the primary')
    ensureProven(primary, epoch, world)
    const sent = [world.evidence.get(primary)?.lastAnswer?.sentAt, world.evidence.get(primary)?.failing?.lastSentAt]
    ensure(sent.includes(decision.provenAt), 'I9: a proof is as old as its question')
  }
  if (accept !== null) {
    ensure(primary === null, 'I1: nobody is admitted before the epoch is on disk')
    ensure(!fenced.has(accept.node), 'a fenced node is not accepted')
    ensure(epoch === null || accept.timelineId > epoch.timelineId, 'I3: an epoch is only ever raised')
    ensure(epoch === null || accept.systemIdentifier === epoch.systemIdentifier, 'another cluster is never accepted')
    ensureProven(accept.node, accept, world)
  }
  if (epoch !== null) checkDoubt(decision, epoch, world, fenced)
  checkRouting(decision, world)
}

/** I2: out of recovery on the epoch's timeline or above, of its cluster, by its last answer, which nothing has undone. */
function ensureProven(node: string, epoch: Epoch, world: World): void {
  const known = world.evidence.get(node)
  const answer = known?.lastAnswer?.answer
  ensure(answer !== undefined && !answer.inRecovery, 'a primary has said that it is out of recovery')
  ensure(answer.systemIdentifier === epoch.systemIdentifier, 'a primary is of the cluster')
  ensure((answer.timelineId ?? 0) >= epoch.timelineId, 'I2: a primary is not on a timeline below the epoch')
  const { failing } = known ?? NO_EVIDENCE
  const isAlive =
    failing === null ||
    ['too-many-connections', 'auth', 'permission'].includes(failing.failure) ||
    (failing.failure === 'timeout' && failing.count < world.policy.failuresToCount)
  ensure(isAlive, 'what has been seen of a primary since does not speak against it')
}

/** I4: the epoch's node keeps its sessions while nothing is proven against it. */
function checkDoubt(decision: Decision, epoch: Epoch, world: World, fenced: ReadonlySet<string>): void {
  const verdict = decision.nodes.get(epoch.node)
  const known = world.evidence.get(epoch.node)
  if (verdict === undefined || fenced.has(epoch.node)) return
  const failure = known?.failing?.failure ?? null
  const isSilent = failure !== null && DOUBTS.has(failure)
  // A timeout that does not count yet leaves the last answer standing, whatever that was.
  if (isSilent && failure !== 'timeout') {
    ensure(verdict.writeSessions.kind === 'keep', 'I4: doubt ends no session')
    ensure(verdict.readSessions.kind === 'keep', 'I4: doubt ends no read session')
  }
  const isUnseen = known === undefined || (known.lastAnswer === null && failure === null)
  if (isUnseen) ensure(verdict.writeSessions.kind === 'keep', 'I4: what was not asked yet ends no session')
  const isOneRefusal = failure === 'refused' && known?.failing?.count === 1
  if (isOneRefusal) ensure(verdict.writeSessions.kind === 'keep', 'I4: one refusal ends no session')
}

function isSameServer(a: string, b: string, { evidence }: World): boolean {
  const serverOf = (name: string): string | null => {
    const answer = evidence.get(name)?.lastAnswer?.answer
    return answer === undefined ? null : `${answer.systemIdentifier}/${answer.postmasterStartedAt}`
  }
  const server = serverOf(a)
  return server !== null && server === serverOf(b)
}

/** Readers go to standbys of the epoch's cluster and timeline, never to one that follows somebody else. */
function checkReader(node: string, decision: Decision, { evidence, members, state }: World): void {
  ensure(decision.nodes.get(node)?.role === 'standby', 'readers go to standbys')
  const answer = evidence.get(node)?.lastAnswer?.answer
  const { epoch } = state
  ensure(answer?.inRecovery === true && epoch !== null, 'a standby is in recovery, and there is an epoch')
  ensure(node !== epoch.node, 'the node of the epoch is no standby')
  ensure(answer.systemIdentifier === epoch.systemIdentifier, 'a standby is of the cluster')
  ensure((answer.timelineId ?? epoch.timelineId) === epoch.timelineId, "a standby is on the epoch's timeline")
  const { senderHost, senderPort, status } = answer.walReceiver ?? { senderHost: null, senderPort: null, status: null }
  const upstream = members.find(({ address }) => address.host === senderHost && address.port === senderPort)
  const said = upstream === undefined ? undefined : evidence.get(upstream.name)
  if (status !== 'streaming' || upstream === undefined || upstream.name === epoch.node || said?.failing !== null) return
  ensure(said.lastAnswer?.answer.inRecovery !== false, 'a standby does not follow somebody who is not the primary')
}

function checkRouting(decision: Decision, world: World): void {
  const { now } = world
  const context = {
    decision,
    now,
    decisionTtlMs: TTL_MS,
    doubtedAt: new Map<string, number>(),
    sessionCount: () => 0,
    turn: now,
  }
  for (const route of ['primary', 'standby', 'any'] as const) {
    const request = { route, fallback: 'primary', balance: 'round-robin', maxLagBytes: null } as const
    const routing = routeSession(request, context)
    if (routing.kind !== 'node') continue
    const provenAt =
      routing.access === 'write' ? decision.provenAt : world.evidence.get(routing.node)?.lastAnswer?.sentAt
    ensure(now - (provenAt ?? 0) <= TTL_MS, 'I9: an old proof routes nobody')
    if (routing.access === 'write') ensure(routing.node === decision.primary, 'I1: who may write goes to the primary')
    else checkReader(routing.node, decision, world)
    const session = { node: routing.node, access: routing.access, isMovable: true, onPromotion: 'keep' } as const
    ensure(judgeSession(session, decision).kind === 'keep', 'whoever is routed now is not ended now')
    ensure(cancelTargets(request, decision).includes(routing.node), 'a cancel reaches every node that is routed to')
  }
}

/** Everybody is well and says so: the decision must serve the one primary, whatever happened before. */
function heal(world: World): void {
  const timelineId = Math.max(world.state.epoch?.timelineId ?? 0, world.pendingEpoch?.timelineId ?? 0, 6) + 1
  const systemIdentifier = world.state.epoch?.systemIdentifier ?? IDENTIFIERS[0] ?? ''
  const primary = world.configured[0]?.name ?? ''
  world.members = world.configured
  world.state = { ...world.state, fenced: new Set() }
  for (let turn = 0; turn < 3; turn += 1) {
    world.now += 1_000
    for (const { name } of world.members) {
      const isPrimary = name === primary
      const answer: NodeAnswer = {
        inRecovery: !isPrimary,
        timelineId,
        timelineIdAtLeast: timelineId,
        systemIdentifier,
        postmasterStartedAt: `${name}-healed`,
        lsn: parseLsn('0/5000060'),
        replayLsn: isPrimary ? null : parseLsn('0/5000060'),
        walReceiver: null,
        defaultTransactionReadOnly: false,
        repmgr: {
          kind: 'rows',
          localNodeId: null,
          rows: world.configured.map((member, index) => ({
            nodeId: index + 1,
            nodeName: member.name,
            type: member.name === primary ? 'primary' : 'standby',
            active: true,
            upstreamNodeId: null,
            address: member.address,
          })),
        },
      }
      const times = { sentAt: world.now - 5, receivedAt: world.now }
      world.evidence.set(name, addObservation(NO_EVIDENCE, { kind: 'answered', ...times, answer }))
    }
    world.decide()
    world.save()
  }
  ensure(world.decision?.kind === 'serving' && world.decision.primary === primary, 'a healed cluster is served')
  ensure(world.state.epoch?.timelineId === timelineId, 'its epoch is that of its primary')
}

export const topology: FuzzTarget = {
  name: 'topology',
  oracle:
    'I1 to I4 and I9 of ARCHITECTURE.md after every observation, order and restart; total and repeatable; a healed cluster is served',
  covers: ['src/topology/'],
  inputBytesMax: 2048,
  seeds: [Buffer.alloc(64), Buffer.from(Array.from({ length: 256 }, (_, index) => (index * 37) & 0xff))],
  dictionary: [Buffer.of(15, 0, 0, 0), Buffer.of(1), Buffer.of(2), Buffer.of(3, 0), Buffer.of(15, 0, 2, 0)],
  batchMax: 16,
  weight: 2,
  run: (input) => {
    const reader = new ByteReader(input)
    const world = new World(reader)
    for (let count = 0; count < STEPS_MAX && !reader.isAtEnd; count += 1) step(world, reader)
    heal(world)
  },
}
