/**
 * Where a session is, or waits to be: asks admission for a node, waits in the hold queue when there is none, and reads
 * out of a decision what becomes of the session there. Effect layer; what is done about it is the session's.
 */
import type { CloseReason } from '../session/close-reason.ts'
import { PHASES_MOVABLE, type SessionPhase } from '../session/session-state.ts'
import type { RouteRequest, Routing } from '../topology/route-session.ts'
import { judgeSession } from '../topology/session-verdict.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { Applicant } from './admission.ts'
import type { SessionEnvironment } from './session-environment.ts'
import type { SessionTimer } from './session-timer.ts'

export interface PlacementOptions {
  readonly environment: Pick<SessionEnvironment, 'admission' | 'clock' | 'settings' | 'request' | 'onPromotion'>
  /** Runs while the session waits. */
  readonly timer: SessionTimer
  /** `node` and `access` are set. */
  readonly onRouted: (node: string) => void
  /** There is no node, and none is waited for any more. */
  readonly onEnd: (reason: CloseReason) => void
}

/** What a decision means for a session. */
export type Fate = { readonly kind: 'keep' } | { readonly kind: 'move' } | Ending

interface Ending {
  readonly kind: 'end'
  readonly reason: CloseReason
}

export class Placement implements Applicant {
  readonly #options: PlacementOptions
  #node: string | null = null
  #access: 'write' | 'read' = 'write'
  #heldSince: number | null = null

  constructor(options: PlacementOptions) {
    this.#options = options
  }

  /** The node it is on or being connected to. */
  get node(): string | null {
    return this.#node
  }

  get access(): 'write' | 'read' {
    return this.#access
  }

  get request(): RouteRequest {
    return this.#options.environment.request
  }

  admit(routing: Extract<Routing, { kind: 'node' }>): void {
    this.#node = routing.node
    this.#access = routing.access
    this.#options.onRouted(routing.node)
  }

  refuse(): void {
    this.#options.onEnd({ kind: 'no-standby' })
  }

  /** One of `onRouted` and `onEnd` is called, at once or in the end. The time for it is that of all waits together. */
  seek(): void {
    const { environment, timer, onEnd } = this.#options
    const { admission, clock, settings } = environment
    const { holdTimeoutMs } = settings()
    this.#heldSince ??= clock.now()
    const waitedMs = clock.now() - this.#heldSince
    const answer = admission.seek(this)
    switch (answer.kind) {
      case 'node':
        return this.admit(answer)
      case 'refuse':
        return this.refuse()
      case 'queue-full':
        // Where nobody is ever held the queue is not what is full.
        return admission.holdsNobody ? this.#expire(waitedMs) : onEnd({ kind: 'hold-queue-full' })
      case 'hold':
        if (waitedMs >= holdTimeoutMs) return this.#expire(waitedMs)
        return timer.start(holdTimeoutMs - waitedMs, () => this.#expire(holdTimeoutMs))
      default: {
        const unhandled: never = answer
        return unhandled
      }
    }
  }

  leaveQueue(): void {
    this.#options.environment.admission.leaveQueue(this)
  }

  /** It has no node any more. */
  leaveNode(): void {
    this.#node = null
  }

  /** What the decision means for the session on its node. `access` follows a node whose role has changed. */
  judge(decision: Decision, phase: SessionPhase): Fate {
    const node = this.#node
    if (node === null) return { kind: 'keep' }
    const isMovable = PHASES_MOVABLE.has(phase)
    const { onPromotion } = this.#options.environment
    const fate = judgeSession({ node, access: this.#access, isMovable, onPromotion }, decision)
    if (fate.kind === 'keep') {
      this.#access = fate.access
      return { kind: 'keep' }
    }
    if (isMovable) return { kind: 'move' }
    if (fate.kind === 'move') return { kind: 'keep' }
    const { why } = fate
    const reason: CloseReason =
      phase === 'authenticating'
        ? { kind: 'login-interrupted', node, why }
        : { kind: 'node-not-routable', node, access: this.#access, now: decision.primary, why }
    return { kind: 'end', reason }
  }

  #expire(waitedMs: number): void {
    const { environment, onEnd } = this.#options
    const { route } = environment.request
    onEnd({ kind: 'hold-expired', route, why: environment.admission.holdReason, waitedMs })
  }
}
