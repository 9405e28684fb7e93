/**
 * One client session, from accept to close: performs the effects of the table in session/session-state.ts on two
 * sockets and turns what happens on them into its events. Effect layer; it decides nothing. It owns both sockets.
 */
import type { Socket } from 'node:net'
import { buildErrorResponse } from '../protocol/error-response.ts'
import { ENCRYPTION_ANSWERS } from '../protocol/message-types.ts'
import { parseFirstPacket, type StartupPacket } from '../protocol/startup-packet.ts'
import { CLOSE_REASON_LOG_LEVEL, type CloseReason, farewellFor } from '../session/close-reason.ts'
import { LoginWatch } from '../session/login-watch.ts'
import {
  PHASES_MOVABLE,
  SESSION_TRANSITIONS,
  type SessionEffect,
  type SessionEvent,
  type SessionPhase,
} from '../session/session-state.ts'
import type { RouteRequest, Routing } from '../topology/route-session.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { Applicant } from './admission.ts'
import { dialBackend, errorCode } from './backend-dialer.ts'
import { forwardCancel } from './cancel-router.ts'
import { Relay } from './relay.ts'
import type { SessionEnvironment } from './session-environment.ts'

/**
 * How long a client gets to take its last words and close. The server's side is closed by then, so this delays no
 * promise; it only bounds how long the socket is kept.
 */
const LINGER_MS = 1_000

/** What a client may send ahead of the server's first answer; more waits in its socket. */
const REQUEST_BYTES_MAX = 64 * 1024

const EMPTY = Buffer.alloc(0)

/** What the client wants of the server, and the bytes that say so: replayed as they are at every dial. */
interface Request {
  readonly kind: 'startup-message' | 'ssl-request' | 'direct-tls'
  bytes: Buffer
}

export class Session implements Applicant {
  readonly #environment: SessionEnvironment
  readonly #frontendSocket: Socket
  readonly #acceptedAt: number
  #phase: SessionPhase = 'greeting'
  #inbox: Buffer = EMPTY
  #hasAskedForTls = false
  #hasAskedForGss = false
  #request: Request | null = null
  #node: string | null = null
  #access: 'write' | 'read' = 'write'
  #backendSocket: Socket | null = null
  #abortDial: (() => void) | null = null
  #loginWatch: LoginWatch | null = null
  #rest: Buffer = EMPTY
  #isReadable = false
  #relay: Relay | null = null
  #cancelKey: string | null = null
  #cancelTimer: (() => void) | null = null
  #heldSince: number | null = null
  #reason: CloseReason | null = null

  constructor(frontendSocket: Socket, environment: SessionEnvironment) {
    this.#environment = environment
    this.#frontendSocket = frontendSocket
    this.#acceptedAt = environment.clock.now()
    environment.registry.add(this)
    this.#startTimer(environment.settings().startupTimeoutMs, () => this.#end({ kind: 'startup-timeout' }))
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

  get access(): 'write' | 'read' {
    return this.#access
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
    const verdict = decision.nodes.get(node)
    // Whoever is on a standby when it is promoted stays, and counts as one who may write from then on.
    if (this.#access === 'read' && decision.primary === node) {
      if (this.#environment.onPromotion === 'end') return this.#loseNode(decision, 'was promoted')
      this.#access = 'write'
    }
    if (verdict === undefined) return this.#loseNode(decision, 'is no longer among the nodes')
    const sessions = this.#access === 'write' ? verdict.writeSessions : verdict.readSessions
    if (sessions.kind === 'end') return this.#loseNode(decision, sessions.why)
    // Nobody waits for a node that is in doubt while another may be the one.
    if (PHASES_MOVABLE.has(this.#phase) && this.#access === 'write' && decision.primary !== node) {
      this.#dispatch('node-lost')
      return 'moved'
    }
    return 'kept'
  }

  /** The process stops: new sessions are told so, running ones are ended in the same words as any server's shutdown. */
  stop(): void {
    if (this.#phase === 'relaying' && this.#node !== null) {
      this.#end({ kind: 'node-not-routable', node: this.#node, now: null, why: 'the proxy is stopping' })
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

  #loseNode(decision: Decision, why: string): 'moved' | 'ended' {
    const node = this.#node ?? ''
    if (PHASES_MOVABLE.has(this.#phase)) {
      this.#dispatch('node-lost')
      return 'moved'
    }
    if (this.#phase === 'authenticating') this.#end({ kind: 'login-interrupted', node, why })
    else this.#end({ kind: 'node-not-routable', node, now: decision.primary, why })
    return 'ended'
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
        this.#inbox = this.#inbox.length === 0 ? chunk : Buffer.concat([this.#inbox, chunk])
        this.#readFirstPacket()
        return
      case 'held':
      case 'dialing':
      case 'waiting':
        this.#takeEarly(chunk)
        return
      case 'authenticating':
        if (this.#backendSocket?.write(chunk) === false) this.#frontendSocket.pause()
        return
      case 'relaying':
      case 'lingering':
      case 'closed':
        // The relay reads for itself; what comes after the farewell is read only so that no RST destroys it.
        return
      default: {
        const unhandled: never = this.#phase
        return unhandled
      }
    }
  }

  #readFirstPacket(): void {
    const directTlsAllowed = !this.#hasAskedForTls && !this.#hasAskedForGss
    const result = parseFirstPacket(this.#inbox, { directTlsAllowed })
    switch (result.kind) {
      case 'incomplete':
        return
      case 'malformed':
        return this.#end({ kind: 'malformed-startup', problem: result.problem })
      case 'unsupported-protocol':
        return this.#end({ kind: 'unsupported-protocol', major: result.protocolMajor, minor: result.protocolMinor })
      case 'direct-tls':
        if (this.#environment.tlsMode === 'off') return this.#end({ kind: 'tls-not-offered' })
        return this.#makeRequest('direct-tls', this.#takeInbox())
      case 'packet': {
        const { packet, bytes } = result
        const isLast = bytes.length === this.#inbox.length
        this.#inbox = isLast ? EMPTY : this.#inbox.subarray(bytes.length)
        return this.#takePacket(packet, bytes, isLast)
      }
      default: {
        const unhandled: never = result
        return unhandled
      }
    }
  }

  #takePacket(packet: StartupPacket, bytes: Buffer, isLast: boolean): void {
    switch (packet.kind) {
      case 'startup-message':
        return this.#makeRequest('startup-message', Buffer.concat([bytes, this.#takeInbox()]))
      case 'ssl-request': {
        if (!isLast) return this.#end({ kind: 'early-bytes' })
        if (this.#hasAskedForTls) return this.#end({ kind: 'malformed-startup', problem: 'second SSLRequest' })
        this.#hasAskedForTls = true
        if (this.#environment.tlsMode === 'passthrough') return this.#makeRequest('ssl-request', bytes)
        this.#frontendSocket.write(Buffer.of(ENCRYPTION_ANSWERS.refused))
        return
      }
      case 'gssenc-request':
        if (!isLast) return this.#end({ kind: 'early-bytes' })
        if (this.#hasAskedForGss) return this.#end({ kind: 'malformed-startup', problem: 'second GSSENCRequest' })
        this.#hasAskedForGss = true
        // A Kerberos principal names one server; which one serves is not for the client to know.
        this.#frontendSocket.write(Buffer.of(ENCRYPTION_ANSWERS.refused))
        return
      case 'cancel-request':
        this.#reason = { kind: 'cancel-request' }
        this.#clearTimer()
        this.#frontendSocket.off('data', this.#onFrontendData).resume()
        return forwardCancel(packet.key, bytes, this.#environment, () => this.#end({ kind: 'cancel-request' }))
      default: {
        const unhandled: never = packet
        return unhandled
      }
    }
  }

  #takeInbox(): Buffer {
    const inbox = this.#inbox
    this.#inbox = EMPTY
    return inbox
  }

  #makeRequest(kind: Request['kind'], bytes: Buffer): void {
    const { registry, settings } = this.#environment
    if (registry.size > settings().sessionsMax) {
      this.#request = { kind, bytes: EMPTY }
      return this.#end({ kind: 'too-many-sessions' })
    }
    this.#clearTimer()
    this.#request = { kind, bytes }
    this.#dispatch('request')
  }

  /** Bytes while the client should be waiting for our answer. */
  #takeEarly(chunk: Buffer): void {
    const request = this.#request
    if (request === null) return
    // Plain bytes behind an SSLRequest would be taken for part of the TLS stream by one side: a known injection hole.
    if (request.kind === 'ssl-request') return this.#end({ kind: 'early-bytes' })
    request.bytes = Buffer.concat([request.bytes, chunk])
    if (this.#phase === 'waiting') this.#backendSocket?.write(chunk)
    if (request.bytes.length >= REQUEST_BYTES_MAX) this.#frontendSocket.pause()
  }

  readonly #onFrontendEnd = (): void => {
    if (this.#phase === 'lingering') {
      this.#frontendSocket.destroy()
      return
    }
    // The relay passes a half-close on; before it there is nothing a client could still want to hear.
    if (this.#phase === 'relaying') return
    this.#reason ??= { kind: 'client-left-early' }
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
        return this.#end({ kind: 'hold-queue-full' })
      case 'hold':
        if (waitedMs >= holdTimeoutMs) return this.#expire(waitedMs)
        this.#startTimer(holdTimeoutMs - waitedMs, () => this.#expire(holdTimeoutMs))
        return
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
    const { clock, lookup, settings } = this.#environment
    const address = this.#environment.addressOf(node)
    if (address === null) return this.#dispatch('node-lost')
    const { connectTimeoutMs, keepAliveServerMs } = settings()
    this.#abortDial = dialBackend({
      address,
      timeoutMs: connectTimeoutMs,
      keepAliveMs: keepAliveServerMs,
      clock,
      lookup,
      onConnected: (socket) => {
        this.#abortDial = null
        this.#attachBackend(socket)
        this.#dispatch('dialed')
      },
      onFailed: (code) => {
        this.#abortDial = null
        this.#loseUnseen(`dial failed: ${code}`)
      },
    })
  }

  #attachBackend(socket: Socket): void {
    this.#backendSocket = socket
    socket.on('data', this.#onBackendData)
    socket.on('end', this.#onBackendEnd)
    socket.on('error', this.#onBackendError)
    socket.on('close', this.#onBackendClose)
    socket.on('drain', this.#onBackendDrain)
  }

  #sendRequest(): void {
    const request = this.#request
    if (request === null || this.#backendSocket === null) return
    this.#loginWatch =
      request.kind === 'startup-message'
        ? new LoginWatch({ refusesRecovery: this.#environment.request.route === 'primary' })
        : null
    this.#backendSocket.write(request.bytes)
    // A server that takes the connection and says nothing may be frozen. It may also ask a slow DNS about the client
    // first: so somebody is sent to look, and the session goes on waiting.
    const node = this.#node ?? ''
    this.#startTimer(this.#environment.settings().connectTimeoutMs, () => {
      this.#environment.onHint(node, 'not-accepting')
    })
  }

  /** Back to routing, with a note that this node takes nobody until it has proven itself again. */
  #loseUnseen(why: string): void {
    const node = this.#node
    if (node !== null) {
      this.#environment.logger.debug({ node, why }, 'session goes back to routing')
      this.#environment.admission.doubt(node)
      this.#environment.onHint(node, 'not-accepting')
    }
    this.#dispatch('node-lost')
  }

  // --- The server's side until the relay begins --------------------------------------------------------------------

  readonly #onBackendData = (chunk: Buffer): void => {
    if (this.#phase !== 'waiting' && this.#phase !== 'authenticating') {
      // A server has no turn to speak here: the client has been told "no TLS" and has not asked for anything yet.
      if (this.#phase === 'greeting-again') this.#end({ kind: 'backend-lost', node: this.#node ?? '' })
      return
    }
    this.#clearTimer()
    if (this.#loginWatch !== null) this.#readLogin(this.#loginWatch, chunk)
    else this.#readTlsAnswer(chunk)
  }

  #readTlsAnswer(chunk: Buffer): void {
    if (this.#request?.kind === 'ssl-request' && chunk[0] === ENCRYPTION_ANSWERS.refused) {
      if (chunk.length > 1) return this.#loseUnseen('bytes behind the answer to SSLRequest')
      this.#frontendSocket.write(chunk)
      this.#startTimer(this.#environment.settings().startupTimeoutMs, () => this.#end({ kind: 'startup-timeout' }))
      return this.#dispatch('tls-declined')
    }
    this.#rest = chunk
    this.#isReadable = false
    this.#dispatch('ready')
  }

  #readLogin(watch: LoginWatch, chunk: Buffer): void {
    for (const step of watch.push(chunk)) {
      switch (step.kind) {
        case 'relay':
          this.#writeFrontend(step.bytes)
          this.#dispatch('challenged')
          break
        case 'not-accepting':
          return this.#loseUnseen(step.message)
        case 'in-recovery': {
          const node = this.#node ?? ''
          if (step.unseen) return this.#loseUnseen('in_hot_standby is on')
          this.#environment.onHint(node, 'suspicious')
          return this.#end({ kind: 'landed-on-standby', node })
        }
        case 'ready':
          this.#rest = step.rest
          this.#isReadable = true
          this.#learnCancelKey(step.key)
          this.#writeFrontend(step.bytes)
          return this.#dispatch('ready')
        case 'unreadable':
          this.#writeFrontend(step.bytes)
          this.#isReadable = false
          return this.#dispatch('ready')
        default: {
          const unhandled: never = step
          return unhandled
        }
      }
    }
  }

  #writeFrontend(pieces: readonly Buffer[]): void {
    const [first] = pieces
    if (first === undefined) return
    this.#frontendSocket.write(pieces.length === 1 ? first : Buffer.concat(pieces))
  }

  #learnCancelKey(key: string | null): void {
    if (key === null) return
    this.#cancelKey = key
    this.#environment.registry.learnCancelKey(key, this)
  }

  readonly #onBackendDrain = (): void => {
    if (this.#phase === 'authenticating') this.#frontendSocket.resume()
  }

  readonly #onBackendEnd = (): void => {
    switch (this.#phase) {
      case 'waiting':
      case 'authenticating': {
        const kept = this.#loginWatch?.takeKept() ?? []
        this.#writeFrontend(kept)
        // The server refused the login in its own words (wrong password, no such database …).
        if (kept.length > 0) return this.#end({ kind: 'finished' })
        if (this.#phase === 'waiting') return this.#loseUnseen('the server closed the connection')
        this.#environment.onHint(this.#node ?? '', 'suspicious')
        return this.#end({ kind: 'backend-lost', node: this.#node ?? '' })
      }
      case 'greeting-again':
        return this.#dispatch('node-lost')
      default:
        return
    }
  }

  readonly #onBackendError = (error: Error): void => {
    this.#environment.logger.debug({ node: this.#node, code: errorCode(error) }, 'backend socket failed')
  }

  /** Also after an error, when no FIN came. */
  readonly #onBackendClose = (): void => {
    if (this.#phase === 'relaying') this.#onRelayedBackendEnd(false)
    else this.#onBackendEnd()
  }

  // --- The relay ---------------------------------------------------------------------------------------------------

  #startRelay(): void {
    const backendSocket = this.#backendSocket
    if (backendSocket === null) return
    this.#clearTimer()
    this.#loginWatch = null
    this.#request = null
    this.#frontendSocket.off('data', this.#onFrontendData)
    backendSocket.off('data', this.#onBackendData).off('end', this.#onBackendEnd).off('drain', this.#onBackendDrain)
    this.#relay = new Relay({
      frontendSocket: this.#frontendSocket,
      backendSocket,
      isReadable: this.#isReadable,
      transactionStatus: null,
      onSqlState: this.#onSqlState,
      onBackendEnd: this.#onRelayedBackendEnd,
    })
    const rest = this.#rest
    this.#rest = EMPTY
    this.#relay.start(rest)
    // Either may have been paused while the other was not ready.
    this.#frontendSocket.resume()
  }

  readonly #onSqlState = (sqlState: string): void => {
    const isReadOnlyError = sqlState === '25006' && this.#access === 'write'
    if (isReadOnlyError || sqlState === '57P01' || sqlState === '57P02' || sqlState === '57P03') {
      this.#environment.onHint(this.#node ?? '', 'suspicious')
    }
  }

  readonly #onRelayedBackendEnd = (explained: boolean): void => {
    const node = this.#node ?? ''
    if (!explained) this.#environment.onHint(node, 'suspicious')
    this.#end(explained ? { kind: 'finished' } : { kind: 'backend-lost', node })
  }

  // --- The end -----------------------------------------------------------------------------------------------------

  #dropBackend(): void {
    this.#clearTimer()
    this.#abortDial?.()
    this.#abortDial = null
    this.#relay?.stop()
    const socket = this.#backendSocket
    this.#backendSocket = null
    if (socket !== null) {
      socket.off('data', this.#onBackendData).off('end', this.#onBackendEnd).off('drain', this.#onBackendDrain)
      socket.off('close', this.#onBackendClose)
      socket.destroy()
    }
    if (this.#cancelKey !== null) this.#environment.registry.forgetCancelKey(this.#cancelKey, this)
    this.#cancelKey = null
    this.#loginWatch = null
    if (this.#node !== null) this.#environment.registry.leave(this.#node, this)
    this.#node = null
  }

  #sayFarewell(): void {
    this.#clearTimer()
    const socket = this.#frontendSocket
    const reason = this.#reason
    const farewell = reason === null ? null : farewellFor(reason)
    if (farewell !== null && this.#mayInterject()) socket.write(buildErrorResponse(farewell))
    this.#relay = null
    socket.off('data', this.#onFrontendData)
    // Reading on and throwing away: unread bytes would turn our FIN into a RST that destroys the farewell.
    socket.resume()
    const linger = (): void => this.#startTimer(LINGER_MS, () => socket.destroy())
    if (reason?.kind === 'finished' || reason?.kind === 'backend-lost') {
      // A slow reader gets all that the server had said before.
      socket.end(linger)
    } else {
      socket.end()
      linger()
    }
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
    const level = CLOSE_REASON_LOG_LEVEL[reason.kind]
    if (logger.isLevelEnabled(level)) {
      const { kind, ...details } = reason
      const client = this.#frontendSocket.remoteAddress
      logger[level](
        { reason: kind, ...details, client, ageMs: Math.round(clock.now() - this.#acceptedAt) },
        'session ended',
      )
    }
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
