/**
 * The server's side of a session from the dial to the end of the login: connects, sends the client's request, reads the
 * answer and says what it amounts to. Effect layer. It owns its socket until `release` gives it to the relay.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import { ENCRYPTION_ANSWERS } from '../protocol/message-types.ts'
import type { ServerRequest } from '../session/greeting.ts'
import { LoginWatch } from '../session/login-watch.ts'
import type { NodeAddress } from '../topology/observation.ts'
import { errorCode } from './backend-dialer.ts'
import { connectNode } from './node-connector.ts'
import type { SessionEnvironment } from './session-environment.ts'

/** What the server's first answers amount to. At most one of them is the end of this leg, after which nothing follows. */
export interface BackendLegEvents {
  /** The dial has come to its end: `null` when it is connected, else the errno name. What follows from it comes after. */
  readonly onDialed: (errno: string | null) => void
  readonly onConnected: () => void
  /** End: it cannot be used, and the client has not noticed anything. `why` is for the log. */
  readonly onUnusable: (why: string) => void
  /** End: this process has no file descriptor left for it, which says nothing about the node. */
  readonly onShortage: () => void
  /** End: it does TLS otherwise than this listener wants it. Completes "NODE …". */
  readonly onUntrusted: (why: string) => void
  /** It answered `N` to SSLRequest. The connection stays; `send` the client's next request on it. */
  readonly onTlsDeclined: (answer: Buffer) => void
  /** Relay this: it needs the client's answer. */
  readonly onChallenge: (bytes: readonly Buffer[]) => void
  /** Logged in, or inside TLS, or nothing we can read: `release` it, relay `bytes`, then everything, beginning with `rest`. */
  readonly onReady: () => void
  /** End: it is in recovery, and the client has been asked for an answer already. */
  readonly onInRecovery: () => void
  /** End: it refused the login in its own words, which are to be relayed. */
  readonly onRefused: (bytes: readonly Buffer[], sqlState: string) => void
  /** End: it broke off, or said that it stops, after the client had been asked for an answer. */
  readonly onVanished: (why: string) => void
  /** It takes bytes again after `write` had said no. */
  readonly onDrain: () => void
}

export interface BackendReady {
  readonly bytes: readonly Buffer[]
  readonly rest: Buffer
  readonly cancelKey: string | null
  readonly isReadable: boolean
}

export interface BackendLegOptions {
  /** For the log. */
  readonly sessionId: number
  readonly address: NodeAddress
  /** True for sessions that must be on a primary. */
  readonly refusesRecovery: boolean
  /** The client is within TLS that ends here. */
  readonly isClientEncrypted: boolean
  readonly environment: Pick<SessionEnvironment, 'settings' | 'clock' | 'lookup' | 'logger' | 'termination'>
  readonly events: BackendLegEvents
}

const EMPTY = Buffer.alloc(0)

/** What it is waiting for. */
type Expectation = 'connection' | 'nothing' | 'tls-answer' | 'login' | 'over'

export class BackendLeg {
  readonly #options: BackendLegOptions
  readonly #giveUpConnecting: () => void
  #socket: Socket | null = null
  #expects: Expectation = 'connection'
  #requestKind: ServerRequest['kind'] = 'startup-message'
  #login: LoginWatch
  #ready: BackendReady | null = null

  /** Begins to connect. */
  constructor(options: BackendLegOptions) {
    this.#options = options
    this.#login = new LoginWatch(options)
    const { clock, lookup, termination } = options.environment
    const { connectTimeoutMs, keepAliveServerMs } = options.environment.settings()
    this.#giveUpConnecting = connectNode({
      address: options.address,
      tls: termination?.serverTls ?? null,
      timeoutMs: connectTimeoutMs,
      keepAliveMs: keepAliveServerMs,
      clock,
      lookup,
      onDialed: options.events.onDialed,
      onConnected: (socket) => this.#attach(socket),
      onFailed: (why, errno) => {
        if (errno !== null && isOwnShortage(errno)) return this.#failHere()
        this.#fail(why)
      },
      onUntrusted: (why) => {
        this.#expects = 'over'
        options.events.onUntrusted(why)
      },
    })
  }

  /** Sends the client's request and reads the answer to it. The bytes are copied by the kernel or kept until sent. */
  send(request: ServerRequest): void {
    this.#requestKind = request.kind
    this.#expects = request.kind === 'startup-message' ? 'login' : 'tls-answer'
    const hidesChannelBinding = this.#socket instanceof TLSSocket && !this.#options.isClientEncrypted
    this.#login = new LoginWatch({ refusesRecovery: this.#options.refusesRecovery, hidesChannelBinding })
    this.#socket?.write(request.bytes)
  }

  /** Reads no more until `when` calls back: the client does not take what the login says. The relay does this by itself. */
  pauseUntil(when: (callback: () => void) => void): void {
    const socket = this.#socket
    if (socket === null || socket.isPaused()) return
    socket.pause()
    when(() => socket.resume())
  }

  /** False when it cannot take more for now; `onDrain` says when it can. */
  write(chunk: Buffer): boolean {
    return this.#socket?.write(chunk) ?? true
  }

  /**
   * After `onReady`: gives the socket away, with no listener but one for `error` left, and what was read of it; `null`
   * when it is gone already.
   */
  release(): (BackendReady & { readonly socket: Socket }) | null {
    const [socket, ready] = [this.#socket, this.#ready]
    socket?.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#options.events.onDrain)
    socket?.off('close', this.#onEnd)
    this.#expects = 'over'
    this.#socket = null
    this.#ready = null
    return socket === null || ready === null ? null : { ...ready, socket }
  }

  /** Closes it now; nothing is reported after that. Idempotent. */
  destroy(): void {
    this.#expects = 'over'
    this.#giveUpConnecting()
    this.#socket?.destroy()
    this.#socket = null
  }

  #attach(socket: Socket): void {
    this.#socket = socket
    this.#expects = 'nothing'
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
    socket.on('drain', this.#options.events.onDrain)
    const { environment, sessionId } = this.#options
    logErrors(socket, environment.logger, sessionId)
    this.#options.events.onConnected()
  }

  readonly #onData = (chunk: Buffer): void => {
    switch (this.#expects) {
      case 'login':
        return this.#readLogin(chunk)
      case 'tls-answer':
        return this.#readTlsAnswer(chunk)
      case 'nothing':
        // No server has a turn to speak here.
        return this.#fail('it spoke before it was asked')
      case 'connection':
      case 'over':
        return
      default: {
        const unhandled: never = this.#expects
        return unhandled
      }
    }
  }

  #readTlsAnswer(chunk: Buffer): void {
    const { events } = this.#options
    const isSslRequest = this.#requestKind === 'ssl-request'
    // One byte is all that a server may say before the handshake: more would be taken for part of it.
    if (isSslRequest && chunk.length > 1 && chunk[0] !== ERROR_RESPONSE)
      return this.#fail('bytes behind its TLS answer')
    if (isSslRequest && chunk[0] === ENCRYPTION_ANSWERS.refused) {
      this.#expects = 'nothing'
      return events.onTlsDeclined(chunk)
    }
    this.#finish({ bytes: [], rest: chunk, cancelKey: null, isReadable: false })
  }

  #readLogin(chunk: Buffer): void {
    const { events } = this.#options
    for (const step of this.#login.push(chunk)) {
      switch (step.kind) {
        case 'relay':
          events.onChallenge(step.bytes)
          break
        case 'not-accepting':
          if (step.unseen) return this.#fail(step.message)
          this.#expects = 'over'
          return events.onVanished(`said ${step.sqlState} during the login`)
        case 'in-recovery':
          if (step.unseen) return this.#fail('in_hot_standby is on')
          this.#expects = 'over'
          return events.onInRecovery()
        case 'ready':
          return this.#finish({ bytes: step.bytes, rest: step.rest, cancelKey: step.key, isReadable: true })
        case 'unreadable':
          return this.#finish({ bytes: step.bytes, rest: EMPTY, cancelKey: null, isReadable: false })
        default: {
          const unhandled: never = step
          return unhandled
        }
      }
      // The session may have been ended by what was relayed.
      if (this.#socket === null) return
    }
  }

  /** FIN, or the end of a broken connection. */
  readonly #onEnd = (): void => {
    const { events } = this.#options
    switch (this.#expects) {
      case 'nothing':
      case 'tls-answer':
        return this.#fail('it closed the connection')
      case 'login':
        // Wrong password, no such database, hba: the server's own answer.
        if (this.#login.refusal !== null) {
          this.#expects = 'over'
          return events.onRefused(this.#login.takeKept(), this.#login.refusal)
        }
        if (!this.#login.isBound) return this.#fail('it closed the connection')
        this.#expects = 'over'
        return events.onVanished('closed the connection during the login')
      case 'connection':
      case 'over':
        return
      default: {
        const unhandled: never = this.#expects
        return unhandled
      }
    }
  }

  #failHere(): void {
    this.#expects = 'over'
    this.#options.events.onShortage()
  }

  #finish(ready: BackendReady): void {
    this.#expects = 'over'
    this.#ready = ready
    this.#options.events.onReady()
  }

  #fail(why: string): void {
    this.#expects = 'over'
    this.#options.events.onUnusable(why)
  }
}

/** As long as the socket lives, which is longer than its leg: so this refers to nothing of that. */
function logErrors(socket: Socket, logger: Logger, sessionId: number): void {
  socket.on('error', (error) => logger.debug({ session: sessionId, code: errorCode(error) }, 'server socket failed'))
}

/** Of file descriptors, of this process or of its machine. */
function isOwnShortage(code: string): boolean {
  return code === 'EMFILE' || code === 'ENFILE'
}

/** Byte1('E'): an ancient server's answer to SSLRequest; the client reads it itself. */
const ERROR_RESPONSE = 0x45
