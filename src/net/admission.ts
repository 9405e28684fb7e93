/**
 * Who gets a node and who waits: routes sessions by the current decision, keeps the hold queue and releases it at a
 * bounded rate. A decision is taken in three steps that never mix: fence, then note, then admit. Where other processes have
 * sessions as well, somebody else sees to it that all have fenced before any admits. Effect layer.
 */
import type { Clock } from '../ports.ts'
import { type HoldOutcome, HoldQueue, ReleaseGate } from '../session/hold-queue.ts'
import { isFresh, type RouteContext, type RouteRequest, type Routing, routeSession } from '../topology/route-session.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { SessionRegistry } from './session-registry.ts'

/** Someone who wants a node. */
export interface Applicant {
  readonly request: RouteRequest
  /** Called when a node was found for a held applicant; it has left the queue by then. */
  admit(routing: Extract<Routing, { kind: 'node' }>): void
  /** Called when it cannot be routed any more: no standby and no fallback. It has left the queue by then. */
  refuse(): void
}

export interface AdmissionSettings {
  readonly holdSessionsMax: number
  /** Sessions per second. */
  readonly releaseRate: number
  readonly decisionTtlMs: number
}

export type AdmissionAnswer = Routing | { readonly kind: 'queue-full' }

export interface AdmissionEvents {
  /** The first session after a change of primary was routed there. */
  readonly onFirstRouted?: (node: string, afterDecisionMs: number) => void
  /** Sessions were waiting and the last of them has been released; `count` without those who left in the meantime. */
  readonly onAllReleased?: (count: number) => void
  /** A wait is over. One session may wait several times. */
  readonly onHoldEnded?: (outcome: HoldOutcome, waitedMs: number) => void
}

export class Admission {
  readonly #clock: Clock
  readonly #registry: SessionRegistry
  readonly #events: AdmissionEvents
  readonly #queue: HoldQueue<Applicant>
  /** When each in the queue came to it. */
  readonly #heldSince = new Map<Applicant, number>()
  readonly #doubtedAt = new Map<string, number>()
  #settings: AdmissionSettings
  #gate: ReleaseGate
  #decision: Decision | null = null
  #appliedVerdicts = ''
  /** The primary of the decision that was admitted by last: another one gets nobody yet. */
  #openPrimary: string | null = null
  #primaryAcceptedAt: { readonly node: string; readonly at: number } | null = null
  #isFencing = false
  #cancelRelease: (() => void) | null = null
  /** Each listener's own: who opens a session to write with each one to read would always come out on the same standby. */
  readonly #turns = new WeakMap<RouteRequest, number>()
  #releasedCount = 0
  #releasedSinceEmpty = 0
  #heldCount = 0

  constructor(options: {
    readonly clock: Clock
    readonly registry: SessionRegistry
    readonly settings: AdmissionSettings
    readonly events?: AdmissionEvents
  }) {
    this.#clock = options.clock
    this.#registry = options.registry
    this.#settings = options.settings
    this.#events = options.events ?? {}
    this.#queue = new HoldQueue(options.settings.holdSessionsMax)
    this.#gate = new ReleaseGate(options.settings.releaseRate, options.clock.now())
  }

  get decision(): Decision | null {
    return this.#decision
  }

  get heldCount(): number {
    return this.#queue.size
  }

  /** The settings are such that nobody ever waits. */
  get holdsNobody(): boolean {
    return this.#settings.holdSessionsMax === 0
  }

  /** Sessions ever held, and ever released from the queue to a node. */
  get totals(): { readonly held: number; readonly released: number } {
    return { held: this.#heldCount, released: this.#releasedCount }
  }

  /** New settings hold from now on; nobody who is held is thrown out by them. */
  configure(settings: AdmissionSettings): void {
    this.#settings = settings
    this.#queue.sizeMax = settings.holdSessionsMax
    this.#gate = new ReleaseGate(settings.releaseRate, this.#clock.now())
  }

  /** Why nobody is routed to the primary now, for the client that waited in vain. */
  get holdReason(): string {
    if (this.#decision === null) return 'no decision yet'
    if (this.#decision.primary !== null && !isFresh(this.#context(0))) return 'the last decision has expired'
    if (this.#decision.primary !== null) return `${this.#decision.primary} takes no connections`
    return this.#decision.reason
  }

  /** Where such a session would go now. Nobody is routed or held by it. */
  preview(request: RouteRequest): Routing {
    return routeSession(request, this.#context(this.#turnOf(request)))
  }

  /** A node at once, a place in the queue, or neither. Whoever holds a place is admitted later or leaves it. */
  seek(applicant: Applicant): AdmissionAnswer {
    const routing = this.#route(applicant)
    if (routing.kind === 'refuse') return routing
    // While a release is under way there are others before, who could be routed as well. The release spares the new
    // primary only: a standby takes readers meanwhile, and the queue has no place to lose to them.
    if (routing.kind === 'node' && (this.#cancelRelease === null || routing.access === 'read')) {
      this.#noteRouted(applicant, routing)
      return routing
    }
    if (!this.#queue.add(applicant)) return { kind: 'queue-full' }
    this.#heldCount += 1
    this.#heldSince.set(applicant, this.#clock.now())
    return { kind: 'hold' }
  }

  leaveQueue(applicant: Applicant): void {
    if (!this.#queue.remove(applicant)) return
    this.#noteHoldEnded(applicant, 'ended')
    if (this.#queue.size === 0) this.#releasedSinceEmpty = 0
  }

  /** A node refused a dial, or took the connection and nobody's login: no more sessions until it proves itself anew. */
  doubt(node: string): void {
    this.#doubtedAt.set(node, this.#clock.now())
  }

  /**
   * Fences by the decision, then admits by it. `onFenced` is called in between with the number of sessions that were
   * ended, which is returned as well.
   */
  takeDecision(decision: Decision, onFenced?: (endedCount: number) => void): number {
    const endedCount = this.fence(decision)
    onFenced?.(endedCount)
    this.admit()
    return endedCount
  }

  /**
   * The first half of a decision: ends or moves the sessions that it leaves without their node, and returns how many were
   * ended. From then on nobody is routed by the decision before, and nobody to a primary that is new, until `admit`.
   */
  fence(decision: Decision): number {
    this.#decision = decision
    // Most decisions repeat the one before, and every session there is was routed or kept by that.
    const verdicts = describeVerdicts(decision)
    if (verdicts === this.#appliedVerdicts) return 0
    this.#appliedVerdicts = verdicts
    // Sessions that are moved off their node now must not be routed before the last one of the old node is fenced.
    this.#isFencing = true
    try {
      return this.#registry.applyDecision(decision)
    } finally {
      this.#isFencing = false
    }
  }

  /** The second half: everybody, everywhere, has fenced by the last decision. */
  admit(): void {
    const decision = this.#decision
    if (decision === null) return
    if (decision.primary !== this.#openPrimary) {
      this.#openPrimary = decision.primary
      if (decision.primary !== null) this.#primaryAcceptedAt = { node: decision.primary, at: this.#clock.now() }
    }
    this.renew(decision)
  }

  /** The same decision with newer proofs: it fences nobody, and admits to no other primary than the one before. */
  renew(decision: Decision): void {
    this.#decision = decision
    this.#clearDoubts(decision)
    this.#release()
  }

  /** Stops releasing. Those who wait stay in the queue until they leave it. */
  close(): void {
    this.#cancelRelease?.()
    this.#cancelRelease = null
  }

  #context(turn: number): RouteContext {
    return {
      decision: this.#decision,
      now: this.#clock.now(),
      decisionTtlMs: this.#settings.decisionTtlMs,
      doubtedAt: this.#doubtedAt,
      sessionCount: (node) => this.#registry.countOn(node),
      turn,
    }
  }

  #route(applicant: Applicant): Routing {
    if (this.#isFencing) return { kind: 'hold' }
    const routing = routeSession(applicant.request, this.#context(this.#turnOf(applicant.request)))
    // A standby's readers are in nobody's way: only a primary has to wait until the one before has lost its sessions.
    const isEarly = routing.kind === 'node' && routing.access === 'write' && routing.node !== this.#openPrimary
    return isEarly ? { kind: 'hold' } : routing
  }

  #turnOf(request: RouteRequest): number {
    return this.#turns.get(request) ?? 0
  }

  #noteRouted({ request }: Applicant, routing: Extract<Routing, { kind: 'node' }>): void {
    this.#turns.set(request, this.#turnOf(request) + 1)
    const accepted = this.#primaryAcceptedAt
    if (accepted !== null && routing.node === accepted.node) {
      this.#primaryAcceptedAt = null
      this.#events.onFirstRouted?.(routing.node, this.#clock.now() - accepted.at)
    }
  }

  #noteHoldEnded(applicant: Applicant, outcome: HoldOutcome): void {
    const now = this.#clock.now()
    this.#events.onHoldEnded?.(outcome, now - (this.#heldSince.get(applicant) ?? now))
    this.#heldSince.delete(applicant)
  }

  /**
   * A proof that was asked for after the doubt clears it. A doubt about anybody but the primary is over with the
   * decision's lifetime as well.
   */
  #clearDoubts(decision: Decision): void {
    for (const [node, at] of this.#doubtedAt) {
      const isPrimary = node === decision.primary
      const verdict = decision.nodes.get(node)
      const isProven = isPrimary ? decision.provenAt > at : verdict?.readable === true && verdict.readProvenAt > at
      const isOver = !isPrimary && this.#clock.now() - at > this.#settings.decisionTtlMs
      if (isProven || isOver) this.#doubtedAt.delete(node)
    }
  }

  #release(): void {
    this.#cancelRelease?.()
    this.#cancelRelease = null
    if (this.#queue.size === 0) return
    let isGateClosed = false
    const holding = new Set<RouteRequest>()
    for (const applicant of this.#queue) {
      // Who wants the same waits for the same; a thousand may be waiting.
      if (holding.has(applicant.request)) continue
      const routing = this.#route(applicant)
      if (routing.kind === 'hold') {
        holding.add(applicant.request)
        continue
      }
      if (!this.#gate.take(this.#clock.now())) {
        isGateClosed = true
        break
      }
      this.#queue.remove(applicant)
      this.#noteHoldEnded(applicant, routing.kind === 'refuse' ? 'refused' : 'routed')
      if (routing.kind === 'refuse') {
        applicant.refuse()
        continue
      }
      this.#noteRouted(applicant, routing)
      this.#releasedCount += 1
      this.#releasedSinceEmpty += 1
      applicant.admit(routing)
    }
    if (isGateClosed) {
      this.#cancelRelease = this.#clock.schedule(this.#gate.delayMs(this.#clock.now()), () => {
        this.#cancelRelease = null
        this.#release()
      })
    }
    if (this.#queue.size === 0 && this.#releasedSinceEmpty > 0) {
      this.#events.onAllReleased?.(this.#releasedSinceEmpty)
      this.#releasedSinceEmpty = 0
    }
  }
}

/** All that a decision means for sessions that are there, as a text to compare. */
export function describeVerdicts({ primary, nodes }: Decision): string {
  const parts = [primary ?? '']
  for (const [name, { writeSessions, readSessions, readable }] of nodes) {
    parts.push(name, writeSessions.kind, readSessions.kind, String(readable))
  }
  return parts.join('\n')
}
