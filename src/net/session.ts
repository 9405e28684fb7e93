/**
 * One client session, from accept to close: performs the effects of the table in session/session-state.ts on its two
 * legs and turns what happens on them into its events. Effect layer; it decides nothing. frontend-leg.ts has the client's
 * socket, backend-leg.ts the server's up to the end of the login, and relay.ts moves bytes between them after that.
 */
import type { Socket } from 'node:net'
import type { CloseReason } from '../session/close-reason.ts'
import type { CountedSession, Traffic } from '../session/session-figures.ts'
import {
  SESSION_TRANSITIONS,
  type SessionEffect,
  type SessionEvent,
  type SessionPhase,
} from '../session/session-state.ts'
import { isSuspiciousState } from '../session/suspicious-state.ts'
import type { Decision } from '../topology/topology-state.ts'
import { BackendLeg } from './backend-leg.ts'
import { forwardCancel } from './cancel-router.ts'
import { FrontendLeg } from './frontend-leg.ts'
import { Relay } from './relay.ts'
import { SessionClient } from './session-client.ts'
import type { SessionEnvironment } from './session-environment.ts'
import { Placement } from './session-placement.ts'
import { SessionTimer } from './session-timer.ts'

const FINISHED: CloseReason = { kind: 'finished' }

export class Session implements CountedSession {
  readonly #environment: SessionEnvironment
  readonly #frontend: FrontendLeg
  readonly #client: SessionClient
  readonly #placement: Placement
  readonly #timer: SessionTimer
  readonly acceptedAt: number
  #phase: SessionPhase = 'greeting'
  #leg: BackendLeg | null = null
  #relay: Relay | null = null
  #reason: CloseReason | null = null

  constructor(frontendSocket: Socket, environment: SessionEnvironment) {
    this.#environment = environment
    this.acceptedAt = environment.clock.now()
    this.#client = new SessionClient(frontendSocket, environment)
    this.#timer = new SessionTimer(environment.clock)
    this.#placement = new Placement({
      environment,
      timer: this.#timer,
      onRouted: (node) => {
        environment.registry.join(node, this)
        this.#dispatch('routed')
      },
      onEnd: (reason) => this.#end(reason),
    })
    environment.registry.add(this)
    this.#startStartupTimer()
    this.#frontend = this.#createFrontend(frontendSocket)
  }

  get phase(): SessionPhase {
    return this.#phase
  }

  /** The node it is on or being connected to. */
  get node(): string | null {
    return this.#placement.node
  }

  get id(): number {
    return this.#client.sessionId
  }

  /** Who it is for: `null` while a PROXY header is awaited, `[local]` for a Unix socket. */
  get client(): string | null {
    return this.#client.address
  }

  /** Who has connected: the client, or a load balancer that speaks for it. */
  get peer(): string {
    return this.#client.peer
  }

  get listener(): string {
    return this.#environment.listener
  }

  get traffic(): Traffic {
    return this.#frontend.traffic
  }

  // --- What others may do to it ------------------------------------------------------------------------------------

  /** Does what the decision means for this session. `ended` when it was ended by that, not when it was moved or kept. */
  obey(decision: Decision): 'kept' | 'moved' | 'ended' {
    const fate = this.#placement.judge(decision, this.#phase)
    switch (fate.kind) {
      case 'keep':
        return 'kept'
      case 'move':
        this.#dispatch('node-lost')
        return 'moved'
      case 'end':
        this.#end(fate.reason)
        return 'ended'
      default:
        return fate satisfies never
    }
  }

  /** The process stops: those who wait are told so, running sessions end in the words of any server's shutdown. */
  stop(): void {
    const { node } = this
    this.#end(
      this.#phase === 'relaying' && node !== null ? { kind: 'proxy-stopping', node } : { kind: 'shutting-down' },
    )
  }

  /** Ends it if it has not got a server yet. */
  stopIfWaiting(): void {
    if (this.#phase === 'greeting' || this.#phase === 'held') this.#end({ kind: 'shutting-down' })
  }

  /** Closes both sockets now, without a word. */
  destroy(): void {
    this.#frontend.destroy()
  }

  // --- The table ---------------------------------------------------------------------------------------------------

  #dispatch(event: SessionEvent): void {
    const outcome = SESSION_TRANSITIONS[this.#phase][event]
    if (outcome === 'ignore') return
    if (outcome === 'impossible') {
      const where = { session: this.id, phase: this.#phase, event }
      this.#environment.logger.error(where, 'defect: impossible session event')
      this.#frontend.destroy()
      return
    }
    this.#phase = outcome.to
    for (const effect of outcome.effects) this.#perform(effect)
  }

  #perform(effect: SessionEffect): void {
    switch (effect) {
      case 'seek-node':
        return this.#placement.seek()
      case 'leave-queue':
        return this.#placement.leaveQueue()
      case 'dial':
        return this.#dial()
      case 'send-request':
        return this.#sendRequest()
      case 'start-relay':
        return this.#startRelay()
      case 'drop-backend':
        return this.#dropBackend()
      case 'say-farewell':
        return this.#sayFarewell()
      case 'release':
        return this.#release()
      default:
        return effect satisfies never
    }
  }

  /** The first reason stands. */
  #end(reason: CloseReason): void {
    if (this.#phase === 'lingering' || this.#phase === 'closed') return
    this.#reason ??= reason
    this.#dispatch('end')
  }

  // --- The client ----------------------------------------------------------------------------------------------------

  #createFrontend(socket: Socket): FrontendLeg {
    return new FrontendLeg({
      socket,
      awaitsProxyHeader: this.#client.awaitsProxyHeader,
      environment: this.#environment,
      events: {
        onIntroduced: (client) => this.#client.introduce(client?.address ?? null),
        onRequest: () => this.#takeRequest(),
        onMore: (chunk) => {
          if (this.#phase === 'waiting') this.#leg?.write(chunk)
        },
        onAnswer: (chunk) => this.#leg?.write(chunk) ?? true,
        onCancel: (key, bytes) => {
          this.#reason = { kind: 'cancel-request' }
          this.#timer.clear()
          forwardCancel(key, bytes, this.#environment, () => this.#end({ kind: 'cancel-request' }))
        },
        onRefused: (reason) => this.#end(reason),
        onLeft: (reason) => {
          this.#reason ??= reason
        },
        onBroken: () => {
          this.#reason ??= { kind: 'client-lost' }
        },
        onClosed: () => this.#dispatch('gone'),
      },
    })
  }

  #takeRequest(): void {
    this.#client.takePlace((excess) => {
      if (excess !== null) this.#end({ kind: excess })
      else if (this.#reason === null) this.#dispatch('request')
    })
  }

  // --- A node ------------------------------------------------------------------------------------------------------

  #dial(): void {
    this.#timer.clear()
    const node = this.node ?? ''
    const address = this.#environment.addressOf(node)
    // With a doubt, or it would be routed there again at once, for as long as the decision stands.
    if (address === null) return this.#loseUnseen(node, 'it is no longer among the nodes')
    this.#leg = new BackendLeg({
      sessionId: this.id,
      address,
      refusesRecovery: this.#environment.request.route === 'primary',
      isClientEncrypted: this.#frontend.isEncrypted,
      environment: this.#environment,
      events: {
        onDialed: (errno) => this.#environment.onDialed(node, errno),
        onConnected: () => this.#dispatch('dialed'),
        onUnusable: (why) => this.#loseUnseen(node, why),
        // Nothing that the node could be doubted for.
        onShortage: () => this.#end({ kind: 'out-of-descriptors' }),
        onUntrusted: (why) => this.#end({ kind: 'server-tls-failed', node, why }),
        onTlsDeclined: (answer) => {
          this.#startStartupTimer()
          this.#frontend.write([answer])
          this.#frontend.greetAgain()
          this.#dispatch('tls-declined')
        },
        onChallenge: (bytes) => {
          this.#timer.clear()
          if (!this.#frontend.write(bytes)) this.#leg?.pauseUntil((then) => this.#frontend.onceDrained(then))
          this.#frontend.expectAnswers()
          this.#dispatch('challenged')
          this.#frontend.resume()
        },
        onReady: () => this.#dispatch('ready'),
        onInRecovery: () => {
          this.#environment.onHint(node, 'suspicious')
          this.#end({ kind: 'landed-on-standby', node })
        },
        onRefused: (bytes, sqlState) => {
          if (sqlState.startsWith('57P')) this.#environment.onHint(node, 'suspicious')
          this.#frontend.write(bytes)
          this.#end(FINISHED)
        },
        onVanished: (why) => {
          this.#environment.onHint(node, 'suspicious')
          this.#end({ kind: 'login-interrupted', node, why })
        },
        onDrain: () => {
          if (this.#phase === 'authenticating') this.#frontend.resume()
        },
      },
    })
  }

  #sendRequest(): void {
    const { request } = this.#frontend
    if (request === null) return
    this.#leg?.send(request)
    // A server that takes the connection and says nothing may be frozen. It may also ask a slow DNS about the client
    // first: so somebody is sent to look, and the session goes on waiting.
    const node = this.node ?? ''
    this.#timer.start(this.#environment.settings().connectTimeoutMs, () => {
      this.#environment.onHint(node, 'not-accepting')
    })
  }

  /** Back to routing, with a note that this node takes nobody until it has proven itself again. */
  #loseUnseen(node: string, why: string): void {
    this.#environment.logger.debug({ node, why, ...this.#client.logFields }, 'session goes back to routing')
    this.#environment.admission.doubt(node)
    this.#environment.onHint(node, 'not-accepting')
    this.#dispatch('node-lost')
  }

  // --- The relay ---------------------------------------------------------------------------------------------------

  #startRelay(): void {
    this.#timer.clear()
    const backend = this.#leg?.release() ?? null
    if (backend === null) return
    this.#leg = null
    if (backend.cancelKey !== null) this.#environment.registry.learnCancelKey(backend.cancelKey, this)
    this.#frontend.write(backend.bytes)
    this.#relay = new Relay({
      frontendSocket: this.#frontend.release(),
      backendSocket: backend.socket,
      isReadable: backend.isReadable,
      onSqlState: (sqlState) => this.#takeSqlState(sqlState),
      onBackendEnd: (explained) => this.#takeBackendEnd(explained),
    })
    this.#relay.start(backend.rest)
    // It may have been paused while the server was not ready for more.
    this.#frontend.resume()
  }

  #takeSqlState(sqlState: string): void {
    if (!isSuspiciousState(sqlState, this.#placement.access)) return
    this.#environment.onHint(this.node ?? '', 'suspicious')
  }

  #takeBackendEnd(explained: boolean): void {
    const node = this.node ?? ''
    if (!explained) this.#environment.onHint(node, 'suspicious')
    this.#end(explained ? FINISHED : { kind: 'backend-lost', node })
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  #dropBackend(): void {
    // Back in the greeting the client still owes a first packet: its time goes on.
    if (this.#phase !== 'greeting') this.#timer.clear()
    const { registry } = this.#environment
    this.#leg?.destroy()
    this.#leg = null
    this.#relay?.dropBackend(this.#reason?.kind === 'node-not-routable')
    registry.forgetCancelKey(this)
    if (this.node !== null) registry.leave(this.node, this)
    this.#placement.leaveNode()
  }

  #sayFarewell(): void {
    const reason = this.#reason ?? FINISHED
    this.#timer.replace(this.#frontend.sayFarewell(reason, this.#relay?.mayInterject ?? this.#frontend.mayBeTold))
  }

  #release(): void {
    this.#timer.clear()
    const { registry, endLog, clock } = this.#environment
    const { kind, ...details } = this.#reason ?? FINISHED
    registry.remove(this, kind)
    this.#client.leavePlace()
    const ageMs = Math.round(clock.now() - this.acceptedAt)
    endLog.take(kind, () => ({ ...details, ...this.#client.logFields, ageMs }))
  }

  #startStartupTimer(): void {
    const { startupTimeoutMs } = this.#environment.settings()
    this.#timer.start(startupTimeoutMs, () => this.#end(this.#frontend.timeoutReason))
  }
}
