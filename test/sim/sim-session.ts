/**
 * A client's session without sockets: the production's table and placement, and a server that takes its login or not.
 * Test support. The registry and admission hold it for one of theirs.
 */

import type { Admission } from '../../src/net/admission.ts'
import type { Session } from '../../src/net/session.ts'
import { Placement } from '../../src/net/session-placement.ts'
import type { SessionRegistry } from '../../src/net/session-registry.ts'
import { SessionTimer } from '../../src/net/session-timer.ts'
import type { Clock } from '../../src/ports.ts'
import type { CloseReason } from '../../src/session/close-reason.ts'
import { SESSION_TRANSITIONS, type SessionEvent, type SessionPhase } from '../../src/session/session-state.ts'
import type { RouteRequest } from '../../src/topology/route-session.ts'
import type { Decision } from '../../src/topology/topology-state.ts'

/** How a dial ends. `stuck`: it is taken, and nothing is said. */
export type Dialed = 'ready' | 'refused' | 'silent' | 'stuck' | 'not-now' | 'full' | 'standby'

export interface SessionWorld {
  readonly clock: Clock
  readonly admission: Admission
  readonly registry: SessionRegistry
  readonly holdTimeoutMs: number
  readonly connectTimeoutMs: number
  /** A dial was refused or has led to nobody. */
  readonly onDoubt: (node: string) => void
  readonly onHint: (node: string, fresh: boolean) => void
  /** What a dial to the node comes to, now. */
  readonly dial: (node: string) => Dialed
  readonly onRouted: (session: SimSession, node: string) => void
  /** It is about to end, on that node. */
  readonly onEnding: (session: SimSession, node: string | null, reason: CloseReason) => void
  readonly onReleased: (session: SimSession, reason: CloseReason) => void
}

const NO_TRAFFIC = { fromClient: 0, toClient: 0 }
const LINGER_MS = 1
const DIAL_MS = 1

export class SimSession {
  readonly id: number
  readonly request: RouteRequest
  readonly traffic = NO_TRAFFIC
  readonly #world: SessionWorld
  readonly #placement: Placement
  readonly #timer: SessionTimer
  #cancelDial: (() => void) | null = null
  #phase: SessionPhase = 'greeting'
  #reason: CloseReason | null = null

  constructor(id: number, request: RouteRequest, onPromotion: 'keep' | 'end', world: SessionWorld) {
    this.id = id
    this.request = request
    this.#world = world
    this.#timer = new SessionTimer(world.clock)
    const { admission, clock, registry, holdTimeoutMs } = world
    const settings = () => ({
      sessionsMax: 1_000,
      sessionsPerAddressMax: 0,
      startupTimeoutMs: 10_000,
      connectTimeoutMs: world.connectTimeoutMs,
      holdTimeoutMs,
      keepAliveServerMs: 0,
    })
    this.#placement = new Placement({
      environment: { admission, clock, settings, request, onPromotion },
      timer: this.#timer,
      onRouted: (node) => {
        registry.join(node, this.asSession)
        world.onRouted(this, node)
        this.#dispatch('routed')
      },
      onEnd: (reason) => this.end(reason),
    })
    registry.add(this.asSession)
  }

  /** As the registry has it: it uses nothing that is not here. */
  get asSession(): Session {
    return this as unknown as Session
  }

  get phase(): SessionPhase {
    return this.#phase
  }

  get node(): string | null {
    return this.#placement.node
  }

  get access(): 'write' | 'read' {
    return this.#placement.access
  }

  begin(): void {
    this.#dispatch('request')
  }

  obey(decision: Decision): 'kept' | 'moved' | 'ended' {
    const fate = this.#placement.judge(decision, this.#phase)
    switch (fate.kind) {
      case 'keep':
        return 'kept'
      case 'move':
        this.#dispatch('node-lost')
        return 'moved'
      case 'end':
        this.end(fate.reason)
        return 'ended'
      default:
        return fate satisfies never
    }
  }

  end(reason: CloseReason): void {
    if (this.#phase === 'lingering' || this.#phase === 'closed') return
    this.#reason ??= reason
    this.#world.onEnding(this, this.node, this.#reason)
    this.#dispatch('end')
  }

  /** The client leaves. */
  leave(): void {
    this.#reason ??= { kind: 'finished' }
    this.#dispatch('gone')
  }

  /** The server's side is gone. `explained`: with 57P01. */
  loseBackend(explained: boolean): void {
    const node = this.node ?? ''
    if (this.#phase === 'dialing' || this.#phase === 'waiting') return this.#loseUnseen(node)
    if (this.#phase !== 'authenticating' && this.#phase !== 'relaying') return
    this.#world.onHint(node, false)
    this.end(explained ? { kind: 'finished' } : { kind: 'backend-lost', node })
  }

  #dispatch(event: SessionEvent): void {
    const outcome = SESSION_TRANSITIONS[this.#phase][event]
    if (outcome === 'ignore') return
    if (outcome === 'impossible') throw new Error(`impossible session event ${event} while ${this.#phase}`)
    this.#phase = outcome.to
    for (const effect of outcome.effects) {
      switch (effect) {
        case 'seek-node':
          this.#placement.seek()
          break
        case 'leave-queue':
          this.#placement.leaveQueue()
          break
        case 'dial':
          this.#dial()
          break
        case 'send-request':
        case 'start-relay':
          break
        case 'drop-backend':
          this.#dropBackend()
          break
        case 'say-farewell':
          this.#timer.start(LINGER_MS, () => this.#dispatch('gone'))
          break
        case 'release':
          this.#timer.clear()
          this.#world.registry.remove(this.asSession, this.#reason?.kind ?? 'finished')
          this.#world.onReleased(this, this.#reason ?? { kind: 'finished' })
          break
        default:
          effect satisfies never
      }
    }
  }

  #dial(): void {
    const { clock, dial, connectTimeoutMs, onHint } = this.#world
    this.#timer.clear()
    const node = this.node ?? ''
    this.#cancelDial = clock.schedule(DIAL_MS, () => {
      const dialed = dial(node)
      switch (dialed) {
        case 'refused':
          return this.#loseUnseen(node)
        case 'silent':
          return this.#timer.start(connectTimeoutMs, () => this.#loseUnseen(node))
        case 'stuck':
          this.#dispatch('dialed')
          return this.#timer.start(connectTimeoutMs, () => onHint(node, true))
        case 'not-now':
          this.#dispatch('dialed')
          return this.#loseUnseen(node)
        case 'full':
          this.#dispatch('dialed')
          return this.end({ kind: 'finished' })
        case 'standby':
          this.#dispatch('dialed')
          this.#dispatch('challenged')
          if (this.request.route !== 'primary') return this.#dispatch('ready')
          onHint(node, false)
          return this.end({ kind: 'landed-on-standby', node })
        case 'ready':
          this.#dispatch('dialed')
          this.#dispatch('challenged')
          return this.#dispatch('ready')
        default:
          return dialed satisfies never
      }
    })
  }

  /** Something that was stuck in a login answers at last. */
  resume(): void {
    if (this.#phase !== 'waiting') return
    this.#timer.clear()
    this.#dispatch('challenged')
    this.#dispatch('ready')
  }

  #loseUnseen(node: string): void {
    this.#world.admission.doubt(node)
    this.#world.onDoubt(node)
    this.#world.onHint(node, true)
    this.#dispatch('node-lost')
  }

  #dropBackend(): void {
    this.#timer.clear()
    this.#cancelDial?.()
    this.#cancelDial = null
    const { registry } = this.#world
    registry.forgetCancelKey(this.asSession)
    if (this.node !== null) registry.leave(this.node, this.asSession)
    this.#placement.leaveNode()
  }
}
