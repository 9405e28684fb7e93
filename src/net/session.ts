/**
 * One client session, from accept to close: performs the effects of the table in session/session-state.ts on two
 * sockets and turns what happens on them into its events. Effect layer; it decides nothing. It owns the client's socket,
 * and the server's from the end of the login; before that backend-leg.ts does.
 */
import type { Socket } from 'node:net'
import { ENCRYPTION_ANSWERS } from '../protocol/message-types.ts'
import { CLOSE_REASON_LOG_LEVEL, type CloseReason, farewellFor } from '../session/close-reason.ts'
import { Greeting, type ServerRequest } from '../session/greeting.ts'
import type { CountedSession, Traffic } from '../session/session-figures.ts'
import {
  PHASES_MOVABLE,
  SESSION_TRANSITIONS,
  type SessionEffect,
  type SessionEvent,
  type SessionPhase,
} from '../session/session-state.ts'
import type { RouteRequest, Routing } from '../topology/route-session.ts'
import { judgeSession } from '../topology/session-verdict.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { Applicant } from './admission.ts'
import { BackendLeg, type BackendReady } from './backend-leg.ts'
import { LOCAL_CLIENT, peerAddress } from './client-address.ts'
import { forwardCancel } from './cancel-router.ts'
import { sayFarewell } from './farewell.ts'
import { Relay } from './relay.ts'
import type { SessionEnvironment } from './session-environment.ts'

/** What a client may send ahead of the server's first answer; more waits in its socket. */
const REQUEST_BYTES_MAX = 64 * 1024

export class Session implements Applicant, CountedSession {
  readonly #environment: SessionEnvironment
  readonly #frontendSocket: Socket
  /** Who has connected: the client, or a load balancer that speaks for it. */
  readonly peer: string
  readonly acceptedAt: number
  #client: string | null = null
  /** It has a place among the sessions of its address. */
  #isCounted = false
  #phase: SessionPhase = 'greeting'
  #greeting: Greeting | null
  #request: ServerRequest | null = null
  #node: string | null = null
  #access: 'write' | 'read' = 'write'
  #leg: BackendLeg | null = null
  #ready: BackendReady | null = null
  #relay: Relay | null = null
  #backendSocket: Socket | null = null
  #cancelTimer: (() => void) | null = null
  #heldSince: number | null = null
  #reason: CloseReason | null = null

  constructor(frontendSocket: Socket, environment: SessionEnvironment) {
    this.#environment = environment
    this.#frontendSocket = frontendSocket
    this.acceptedAt = environment.clock.now()
    this.peer = peerAddress(frontendSocket)
    const awaitsProxyHeader = environment.awaitsProxyHeader?.(this.peer) ?? false
    if (!awaitsProxyHeader) this.#client = this.peer
    this.#greeting = new Greeting({ tlsMode: environment.tlsMode, awaitsProxyHeader })
    environment.registry.add(this)
    this.#startStartupTimer()
    frontendSocket.on('data', this.#onFrontendData)
    frontendSocket.on('end', this.#onFrontendEnd)
    frontendSocket.on('error', this.#onFrontendError)
    frontendSocket.on('close', this.#onFrontendClose)
  }

  get phase(): SessionPhase {
    return this.#phase
  }

  /** The node it is on or being connected to. */
  get node(): string | null {
    return this.#node
  }

  /** Who it is for: `null` while a PROXY header is awaited, `[local]` for a Unix socket. */
  get client(): string | null {
    return this.#client
  }

  get listener(): string {
    return this.#environment.listener
  }

  /** As Node counts it anyway; still there when the socket is closed. */
  get traffic(): Traffic {
    return { fromClient: this.#frontendSocket.bytesRead, toClient: this.#frontendSocket.bytesWritten }
  }

  // --- Applicant: what admission does with it ----------------------------------------------------------------------

  get request(): RouteRequest {
    return this.#environment.request
  }

  admit(routing: Extract<Routing, { kind: 'node' }>): void {
    this.#node = routing.node
    this.#access = routing.access
    this.#environment.registry.join(routing.node, this)
    this.#dispatch('routed')
  }

  refuse(): void {
    this.#end({ kind: 'no-standby' })
  }

  // --- What others may do to it ------------------------------------------------------------------------------------

  /** Does what the decision means for this session. `ended` when it was ended by that, not when it was moved or kept. */
  obey(decision: Decision): 'kept' | 'moved' | 'ended' {
    const node = this.#node
    if (node === null) return 'kept'
    const isMovable = PHASES_MOVABLE.has(this.#phase)
    const { onPromotion } = this.#environment
    const fate = judgeSession({ node, access: this.#access, isMovable, onPromotion }, decision)
    if (fate.kind === 'keep') {
      this.#access = fate.access
      return 'kept'
    }
    if (isMovable) {
      this.#dispatch('node-lost')
      return 'moved'
    }
    if (fate.kind === 'move') return 'kept'
    const { why } = fate
    if (this.#phase === 'authenticating') this.#end({ kind: 'login-interrupted', node, why })
    else this.#end({ kind: 'node-not-routable', node, now: decision.primary, why })
    return 'ended'
  }

  /** The process stops: those who wait are told so, running sessions end in the words of any server's shutdown. */
  stop(): void {
    if (this.#phase === 'relaying' && this.#node !== null) {
      this.#end({ kind: 'proxy-stopping', node: this.#node })
    } else {
      this.#end({ kind: 'shutting-down' })
    }
  }

  /** Ends it if it has not got a server yet. */
  stopIfWaiting(): void {
    if (this.#phase === 'greeting' || this.#phase === 'held') this.#end({ kind: 'shutting-down' })
  }

  /** Closes both sockets now, without a word. */
  destroy(): void {
    this.#frontendSocket.destroy()
  }

  // --- The table ---------------------------------------------------------------------------------------------------

  #dispatch(event: SessionEvent): void {
    const outcome = SESSION_TRANSITIONS[this.#phase][event]
    if (outcome === 'ignore') return
    if (outcome === 'impossible') {
      this.#environment.logger.error({ phase: this.#phase, event }, 'defect: impossible session event')
      this.#frontendSocket.destroy()
      return
    }
    this.#phase = outcome.to
    for (const effect of outcome.effects) this.#perform(effect)
  }

  #perform(effect: SessionEffect): void {
    switch (effect) {
      case 'seek-node':
        return this.#seekNode()
      case 'leave-queue':
        return this.#environment.admission.leaveQueue(this)
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
      default: {
        const unhandled: never = effect
        return unhandled
      }
    }
  }

  /** The first reason stands. */
  #end(reason: CloseReason): void {
    if (this.#phase === 'lingering' || this.#phase === 'closed') return
    this.#reason ??= reason
    this.#dispatch('end')
  }

  // --- The client's side until the relay begins ----------------------------------------------------------------------

  readonly #onFrontendData = (chunk: Buffer): void => {
    switch (this.#phase) {
      case 'greeting':
      case 'greeting-again':
        return this.#greet(chunk)
      case 'held':
      case 'dialing':
      case 'waiting':
        return this.#takeEarly(chunk)
      case 'authenticating':
        if (this.#leg?.write(chunk) === false) this.#frontendSocket.pause()
        return
      case 'relaying':
      case 'lingering':
      case 'closed':
        return
      default: {
        const unhandled: never = this.#phase
        return unhandled
      }
    }
  }

  #greet(chunk?: Buffer): void {
    const step = this.#greeting?.take(chunk) ?? { kind: 'incomplete' }
    switch (step.kind) {
      case 'incomplete':
        return
      case 'introduced':
        this.#client = step.client?.address ?? this.peer
        return this.#greet()
      case 'decline':
        this.#frontendSocket.write(Buffer.of(ENCRYPTION_ANSWERS.refused))
        return
      case 'refuse':
        return this.#end(step.reason)
      case 'cancel':
        this.#reason = { kind: 'cancel-request' }
        this.#clearTimer()
        this.#frontendSocket.off('data', this.#onFrontendData).resume()
        return forwardCancel(step.key, step.bytes, this.#environment, () => this.#end({ kind: 'cancel-request' }))
      case 'request': {
        this.#request = step.request
        const excess = this.#findExcess()
        if (excess !== null) return this.#end({ kind: excess })
        this.#clearTimer()
        return this.#dispatch('request')
      }
      default: {
        const unhandled: never = step
        return unhandled
      }
    }
  }

  /** The limit that this session is beyond; otherwise it takes its place, also when it asks for the second time. */
  #findExcess(): 'too-many-sessions' | 'too-many-from-address' | null {
    const { registry, settings } = this.#environment
    const { sessionsMax, sessionsPerAddressMax } = settings()
    if (registry.size > sessionsMax) return 'too-many-sessions'
    const client = this.#client
    // Whoever comes by a Unix socket has no address to be told apart by.
    if (this.#isCounted || client === null || client === LOCAL_CLIENT) return null
    if (sessionsPerAddressMax > 0 && registry.clients.count(client) >= sessionsPerAddressMax)
      return 'too-many-from-address'
    registry.clients.add(client)
    this.#isCounted = true
    return null
  }

  /** Bytes while the client should be waiting for an answer. */
  #takeEarly(chunk: Buffer): void {
    const request = this.#request
    if (request === null) return
    // Plain bytes behind an SSLRequest would be taken for part of the TLS stream by one side: a known injection hole.
    if (request.kind === 'ssl-request') return this.#end({ kind: 'early-bytes' })
    this.#request = { kind: request.kind, bytes: Buffer.concat([request.bytes, chunk]) }
    if (this.#phase === 'waiting') this.#leg?.write(chunk)
    if (this.#request.bytes.length >= REQUEST_BYTES_MAX) this.#frontendSocket.pause()
  }

  readonly #onFrontendEnd = (): void => {
    // The relay passes a half-close on, and whoever lingers may still be reading: the socket closes itself when both
    // sides have said all. Before that there is nothing that a client could still want to hear.
    if (this.#phase === 'relaying' || this.#phase === 'lingering') return
    this.#reason ??= this.#greeting?.unfinished('end') ?? { kind: 'client-left-early' }
    this.#frontendSocket.destroy()
  }

  readonly #onFrontendError = (): void => {
    this.#reason ??= { kind: 'client-lost' }
  }

  readonly #onFrontendClose = (): void => {
    this.#dispatch('gone')
  }

  // --- A node ------------------------------------------------------------------------------------------------------

  #seekNode(): void {
    const { admission, clock, settings } = this.#environment
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
        return admission.holdsNobody ? this.#expire(waitedMs) : this.#end({ kind: 'hold-queue-full' })
      case 'hold':
        if (waitedMs >= holdTimeoutMs) return this.#expire(waitedMs)
        return this.#startTimer(holdTimeoutMs - waitedMs, () => this.#expire(holdTimeoutMs))
      default: {
        const unhandled: never = answer
        return unhandled
      }
    }
  }

  #expire(waitedMs: number): void {
    this.#end({ kind: 'hold-expired', why: this.#environment.admission.holdReason, waitedMs })
  }

  #dial(): void {
    this.#clearTimer()
    const node = this.#node ?? ''
    const address = this.#environment.addressOf(node)
    // With a doubt, or it would be routed there again at once, for as long as the decision stands.
    if (address === null) return this.#loseUnseen(node, 'it is no longer among the nodes')
    this.#leg = new BackendLeg({
      address,
      refusesRecovery: this.#environment.request.route === 'primary',
      environment: this.#environment,
      events: {
        onDialed: (errno) => this.#environment.onDialed(node, errno),
        onConnected: () => this.#dispatch('dialed'),
        onUnusable: (why) => this.#loseUnseen(node, why),
        // Nothing that the node could be doubted for.
        onShortage: () => this.#end({ kind: 'out-of-descriptors' }),
        onTlsDeclined: (answer) => {
          this.#startStartupTimer()
          this.#frontendSocket.write(answer)
          this.#dispatch('tls-declined')
        },
        onChallenge: (bytes) => {
          this.#clearTimer()
          this.#writeFrontend(bytes)
          this.#dispatch('challenged')
          this.#frontendSocket.resume()
        },
        onReady: (ready) => {
          this.#ready = ready
          this.#dispatch('ready')
        },
        onInRecovery: () => {
          this.#environment.onHint(node, 'suspicious')
          this.#end({ kind: 'landed-on-standby', node })
        },
        onRefused: (bytes, sqlState) => {
          if (sqlState.startsWith('57P')) this.#environment.onHint(node, 'suspicious')
          this.#writeFrontend(bytes)
          this.#end({ kind: 'finished' })
        },
        onVanished: () => {
          this.#environment.onHint(node, 'suspicious')
          this.#end({ kind: 'login-interrupted', node, why: 'closed the connection during the login' })
        },
        onDrain: () => {
          if (this.#phase === 'authenticating') this.#frontendSocket.resume()
        },
      },
    })
  }

  #sendRequest(): void {
    if (this.#request === null) return
    this.#leg?.send(this.#request)
    // A server that takes the connection and says nothing may be frozen. It may also ask a slow DNS about the client
    // first: so somebody is sent to look, and the session goes on waiting.
    const node = this.#node ?? ''
    this.#startTimer(this.#environment.settings().connectTimeoutMs, () => {
      this.#environment.onHint(node, 'not-accepting')
    })
  }

  /** Back to routing, with a note that this node takes nobody until it has proven itself again. */
  #loseUnseen(node: string, why: string): void {
    this.#environment.logger.debug({ node, why, client: this.#client }, 'session goes back to routing')
    this.#environment.admission.doubt(node)
    this.#environment.onHint(node, 'not-accepting')
    this.#dispatch('node-lost')
  }

  #writeFrontend(pieces: readonly Buffer[]): void {
    const [first] = pieces
    if (first === undefined) return
    this.#frontendSocket.write(pieces.length === 1 ? first : Buffer.concat(pieces))
  }

  // --- The relay ---------------------------------------------------------------------------------------------------

  #startRelay(): void {
    this.#clearTimer()
    const ready = this.#ready
    const backendSocket = this.#leg?.release() ?? null
    if (ready === null || backendSocket === null) return
    this.#leg = null
    this.#ready = null
    this.#request = null
    this.#greeting = null
    this.#backendSocket = backendSocket
    if (ready.cancelKey !== null) this.#environment.registry.learnCancelKey(ready.cancelKey, this)
    this.#frontendSocket.off('data', this.#onFrontendData)
    this.#relay = new Relay({
      frontendSocket: this.#frontendSocket,
      backendSocket,
      isReadable: ready.isReadable,
      onSqlState: this.#onSqlState,
      onBackendEnd: this.#onBackendEnd,
    })
    this.#writeFrontend(ready.bytes)
    this.#relay.start(ready.rest)
    // It may have been paused while the server was not ready for more.
    this.#frontendSocket.resume()
  }

  readonly #onSqlState = (sqlState: string): void => {
    const isReadOnlyError = sqlState === '25006' && this.#access === 'write'
    if (isReadOnlyError || sqlState === '57P01' || sqlState === '57P02' || sqlState === '57P03') {
      this.#environment.onHint(this.#node ?? '', 'suspicious')
    }
  }

  readonly #onBackendEnd = (explained: boolean): void => {
    const node = this.#node ?? ''
    if (!explained) this.#environment.onHint(node, 'suspicious')
    this.#end(explained ? { kind: 'finished' } : { kind: 'backend-lost', node })
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  #dropBackend(): void {
    // Back in the greeting the client still owes a first packet: its time goes on.
    if (this.#phase !== 'greeting') this.#clearTimer()
    const { registry } = this.#environment
    this.#leg?.destroy()
    this.#leg = null
    this.#relay?.stop()
    this.#backendSocket?.destroy()
    this.#backendSocket = null
    registry.forgetCancelKey(this)
    if (this.#node !== null) registry.leave(this.#node, this)
    this.#node = null
  }

  #sayFarewell(): void {
    this.#clearTimer()
    this.#frontendSocket.off('data', this.#onFrontendData)
    const reason = this.#reason
    this.#cancelTimer = sayFarewell({
      socket: this.#frontendSocket,
      clock: this.#environment.clock,
      words: reason !== null && this.#mayInterject() ? farewellFor(reason) : null,
      waitsForReader: reason?.kind === 'finished' || reason?.kind === 'backend-lost',
    })
  }

  /** Only a client that waits for PostgreSQL messages in plain, and only between two of them. */
  #mayInterject(): boolean {
    if (this.#relay !== null) return this.#relay.mayInterject
    return this.#request === null || this.#request.kind === 'startup-message'
  }

  #release(): void {
    this.#clearTimer()
    const reason = this.#reason ?? { kind: 'finished' }
    const { registry, logger, clock } = this.#environment
    registry.remove(this, reason.kind)
    if (this.#isCounted && this.#client !== null) registry.clients.remove(this.#client)
    const level = CLOSE_REASON_LOG_LEVEL[reason.kind]
    if (!logger.isLevelEnabled(level)) return
    const { kind, ...details } = reason
    const ageMs = Math.round(clock.now() - this.acceptedAt)
    const from = this.#client === this.peer ? { client: this.peer } : { client: this.#client, peer: this.peer }
    logger[level]({ reason: kind, ...details, ...from, ageMs }, 'session ended')
  }

  // --- Its one timer -----------------------------------------------------------------------------------------------

  #startStartupTimer(): void {
    this.#startTimer(this.#environment.settings().startupTimeoutMs, () => {
      this.#end(this.#greeting?.unfinished('timeout') ?? { kind: 'startup-timeout' })
    })
  }

  #startTimer(delayMs: number, callback: () => void): void {
    this.#clearTimer()
    this.#cancelTimer = this.#environment.clock.schedule(delayMs, () => {
      this.#cancelTimer = null
      callback()
    })
  }

  #clearTimer(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
  }
}
