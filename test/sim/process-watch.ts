/**
 * Watches one run of the program: applies the promises of checks.ts at the moments at which they have to hold. Test support.
 * It changes nothing that happens.
 */
import type { Admission } from '../../src/net/admission.ts'
import type { SessionRegistry } from '../../src/net/session-registry.ts'
import type { PersistentState } from '../../src/ports.ts'
import type { HealthLoop } from '../../src/probe/health-loop.ts'
import type { CloseReason } from '../../src/session/close-reason.ts'
import type { RouteRequest } from '../../src/topology/route-session.ts'
import type { Decision, Epoch } from '../../src/topology/topology-state.ts'
import {
  type CheckedProxy,
  checkAcceptance,
  checkEnding,
  checkPlacement,
  checkReadRoute,
  checkWriteRoute,
} from './checks.ts'
import type { Facts } from './facts.ts'
import type { HostClock } from './host-clock.ts'
import type { Setup } from './plan.ts'
import type { SimCluster } from './sim-cluster.ts'
import type { SimSession } from './sim-session.ts'

/** Beyond the interval and the time limit of a probe, until the next one is with the proxy. */
const PROBE_SLACK_MS = 100

/** By then the next one is released, at the lowest rate that is simulated. */
const RELEASE_MS = 1_200

/** In one moment: more are a loop that never ends. */
const DECISIONS_MAX = 10_000

/** Who hears of what happens. */
export interface Listener {
  readonly onBroken: (proxy: string, promise: string, sentences: readonly string[]) => void
  readonly onNews: (proxy: string, text: string) => void
  readonly count: (figure: string, by?: number) => void
}

/** The parts of one run of the program. */
export interface Program {
  readonly loop: HealthLoop
  readonly admission: Admission
  readonly registry: SessionRegistry
  readonly sessions: ReadonlySet<SimSession>
}

export class ProcessWatch {
  readonly #proxy: string
  readonly #facts: Facts
  readonly #clock: HostClock
  readonly #setup: Setup
  readonly #cluster: SimCluster
  readonly #listener: Listener
  /** Nodes that an operator has ordered to be accepted, while that is under way: as often as it was ordered. */
  readonly ordered: string[] = []
  /** Something has reached the process since the last step. */
  isTouched = true
  #reason = ''
  #decidedAt = Number.NaN
  #decisionsNow = 0
  #servedBy: string | null = null
  /** Since when the pace is what it is. */
  #pacedSince = 0
  /** Waits that have ended, and how many had when that was last looked at. */
  #waitsEnded = 0
  #waitsSeen = 0
  /** Since when somebody who could be routed was held, and nobody's wait ended. */
  #stuckSince = Number.NaN

  constructor(options: {
    readonly proxy: string
    readonly facts: Facts
    readonly clock: HostClock
    readonly setup: Setup
    readonly cluster: SimCluster
    readonly listener: Listener
  }) {
    this.#proxy = options.proxy
    this.#facts = options.facts
    this.#clock = options.clock
    this.#setup = options.setup
    this.#cluster = options.cluster
    this.#listener = options.listener
  }

  // --- What happens in it ------------------------------------------------------------------------------------------

  takeDecision(decision: Decision, program: Pick<Program, 'loop'>): void {
    const facts = this.#facts
    const view = this.#view(program)
    facts.noteClaims(view.members, view.now, this.#setup.policy.graceMs)
    if (decision.accept !== null) this.tell('P1: accepted on proof', checkAcceptance(decision.accept, view))
    if (decision.primary === null) facts.primaryLostAt = view.now
    const isAlone = facts
      .claims(view.members)
      .every(
        ({ node, answer }) =>
          node === decision.primary || (answer.timelineId ?? 0) < (facts.known.epoch?.timelineId ?? 0),
      )
    if (isAlone && decision.kind === 'serving' && decision.primary !== null) {
      facts.unbroken = facts.standing(decision.primary)?.answer.postmasterStartedAt ?? facts.unbroken
    }
    const reason = `${decision.kind}: ${decision.reason}`
    if (reason !== this.#reason) {
      this.#reason = reason
      this.#listener.onNews(this.#proxy, reason)
      this.#listener.count(`rule ${decision.rule}`)
    }
    this.#listener.count('decisions')
    this.#decisionsNow = this.#decidedAt === view.now ? this.#decisionsNow + 1 : 1
    this.#decidedAt = view.now
    if (this.#decisionsNow > DECISIONS_MAX) throw new Error('it decides for ever')
  }

  noteRouted(session: SimSession, node: string, program: Program, diskEpoch: Epoch | null): void {
    this.#listener.count(`routed to ${session.access}`)
    const view = this.#view(program)
    const { decision } = program.admission
    if (session.access === 'write') return this.tell('P1: routed by proof', checkWriteRoute(node, view, diskEpoch))
    const broken = decision === null ? ['there is no decision'] : checkReadRoute(node, session.request, view, decision)
    this.tell('P1: readers routed by proof', broken)
  }

  noteEnding(session: SimSession, node: string | null, reason: CloseReason, program: Program): void {
    this.#listener.count(`ended: ${reason.kind}`)
    const isByDecision = reason.kind === 'node-not-routable' || reason.kind === 'login-interrupted'
    if (isByDecision && node !== null) {
      this.tell('P4: hold on doubt', checkEnding(session, node, this.#view(program)))
    }
  }

  noteHoldEnded(outcome: string, waitedMs: number): void {
    this.#listener.count(`hold: ${outcome}`)
    this.#waitsEnded += 1
    const isLate = waitedMs > this.#setup.holdTimeoutMs + 1 && this.#clock.now() - this.#clock.thawedAt > waitedMs
    if (isLate) this.tell('P3: held within bounds', [`somebody was held for ${waitedMs} ms`])
  }

  /** It is on disk. */
  noteWritten({ epoch }: PersistentState): void {
    const before = this.#facts.known.epoch
    const falls =
      before !== null &&
      (epoch === null ||
        epoch.timelineId < before.timelineId ||
        epoch.systemIdentifier !== before.systemIdentifier ||
        (epoch.timelineId === before.timelineId && epoch.node !== before.node))
    if (!falls || (epoch !== null && this.ordered.includes(epoch.node))) return
    this.tell('P8: the epoch never falls', [`from ${JSON.stringify(before)} to ${JSON.stringify(epoch)}`])
  }

  /** The process is about to learn that it is on disk. */
  noteTold(state: PersistentState): void {
    const facts = this.#facts
    const before = facts.known.epoch
    facts.known = state
    const node = state.epoch?.node ?? null
    const isOrdered = node !== null && this.ordered.includes(node)
    const isNew = state.epoch?.node !== before?.node || state.epoch?.timelineId !== before?.timelineId
    // What an operator accepts, also anew, begins without the claims against it, and as one that was there all the time.
    if (isNew || isOrdered) facts.forgetClaims(isOrdered)
    if (isOrdered) facts.unbroken = facts.standing(node)?.answer.postmasterStartedAt ?? null
    this.isTouched = true
  }

  /** Every probe under way was given up, and every node is asked anew. */
  noteReload(): void {
    this.#pacedSince = this.#clock.now()
  }

  // --- What has to hold --------------------------------------------------------------------------------------------

  /** After every step, when all that it led to has happened. */
  checkStep(program: Program): void {
    if (!this.isTouched) return
    this.isTouched = false
    this.tell('P2, P4: ended on proof, never on two nodes', checkPlacement(program.sessions, this.#view(program)))
    const { epoch } = program.loop.snapshot.state
    const known = this.#facts.known.epoch
    if (epoch?.timelineId !== known?.timelineId || epoch?.node !== known?.node) {
      const both = `it acts on ${JSON.stringify(epoch)}, on disk is ${JSON.stringify(known)}`
      this.tell('P8: acts on what is on disk', [both])
    }
  }

  /** Now and then: is everybody still asked, and fast enough? */
  checkProbing({ loop }: Program): void {
    if (this.#clock.isFrozen) return
    const { decision, members } = loop.snapshot
    const { timing, listedCount } = this.#setup
    const now = this.#clock.now()
    const servedBy = decision?.primary ?? null
    if (servedBy !== this.#servedBy) {
      this.#servedBy = servedBy
      this.#pacedSince = now
    }
    const intervalMs = servedBy === null ? timing.fastIntervalMs : timing.intervalMs
    const limitMs = intervalMs + timing.timeoutMs + PROBE_SLACK_MS
    const late = members.filter(({ name }) => {
      const deliveredAt = this.#facts.deliveredAt(name)
      if (deliveredAt === null && members.length > listedCount) return false
      return now - Math.max(deliveredAt ?? 0, this.#clock.thawedAt, this.#pacedSince) > limitMs
    })
    const sentences = late.map(({ name }) => `${name} was not asked for ${limitMs} ms`)
    this.tell('P2: everybody is asked all the time', sentences)
  }

  /** Now and then: does anybody wait for what is there? */
  checkReleasing({ admission, sessions }: Program): void {
    const now = this.#clock.now()
    const isStuck = [...sessions].some(
      ({ phase, request }) => phase === 'held' && admission.preview(request).kind === 'node',
    )
    if (!isStuck || this.#waitsEnded !== this.#waitsSeen || this.#clock.isFrozen) this.#stuckSince = Number.NaN
    else if (Number.isNaN(this.#stuckSince)) this.#stuckSince = now
    this.#waitsSeen = this.#waitsEnded
    if (now - Math.max(this.#stuckSince, this.#clock.thawedAt) > RELEASE_MS) {
      this.tell('P3: goes on by itself', ['somebody is held who could be routed, and nobody is released'])
    }
  }

  /** Nothing is wrong any more: what should be true by now. */
  checkHealed(primary: string, program: Program, request: RouteRequest): void {
    const { loop, admission, registry, sessions } = program
    const { decision, state } = loop.snapshot
    const broken: string[] = []
    if (decision?.kind !== 'serving' || decision.primary !== primary) {
      const why = `${decision?.kind} (${decision?.rule}): ${decision?.reason}`
      broken.push(`${primary} is primary, and the decision is ${why}`)
    }
    if (admission.preview(request).kind !== 'node') broken.push(`nobody is routed: ${admission.holdReason}`)
    if (admission.heldCount > 0) broken.push(`${admission.heldCount} sessions are still held`)
    if (state.epoch?.node !== primary) broken.push(`the epoch is ${JSON.stringify(state.epoch)}`)
    for (const { name, isWitness } of this.#cluster.nodes) {
      if (name === primary || isWitness) continue
      const verdict = decision?.nodes.get(name)
      if (verdict?.readable !== true) broken.push(`${name} follows, and takes no readers: it is ${verdict?.role}`)
    }
    if (registry.size !== sessions.size) broken.push('the registry has lost count')
    this.tell('liveness: within the bound', broken)
  }

  /** After everybody has left and everything was stopped. */
  checkNothingLeft({ registry, admission }: Program): void {
    const left: string[] = []
    if (registry.size > 0) left.push(`${registry.size} sessions are left in the registry`)
    if (registry.descriptorCount > 0) left.push(`${registry.descriptorCount} descriptors are left`)
    for (const { name } of this.#cluster.nodes) {
      if (registry.countOn(name) > 0) left.push(`${registry.countOn(name)} sessions are left on ${name}`)
    }
    if (admission.heldCount > 0) left.push(`${admission.heldCount} are left in the queue`)
    if (this.#clock.timerCount > 0) left.push(`${this.#clock.timerCount} timers are left`)
    this.tell('nothing leaks', left)
  }

  tell(promise: string, broken: readonly string[]): void {
    if (broken.length > 0) this.#listener.onBroken(this.#proxy, promise, broken)
  }

  #view({ loop }: Pick<Program, 'loop'>): CheckedProxy {
    return {
      facts: this.#facts,
      setup: this.#setup,
      members: loop.snapshot.members.map(({ name }) => name),
      listed: this.#cluster.nodes.slice(0, this.#setup.listedCount).map(({ name }) => name),
      now: this.#clock.now(),
      isWitness: (node) => this.#cluster.find(node).isWitness,
      nameAt: (host) => this.#cluster.nodes.find(({ address }) => address.host === host)?.name ?? null,
    }
  }
}
