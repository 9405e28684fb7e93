/**
 * The client's side of a session until the relay begins: reads the greeting, does TLS where that ends here, collects what
 * comes ahead of the server's answers. Effect layer. It owns the client's socket all along and knows nothing of nodes;
 * what the session makes of it all is session.ts.
 */
import type { Socket } from 'node:net'
import { ENCRYPTION_ANSWERS } from '../protocol/message-types.ts'
import type { ProxiedClient } from '../protocol/proxy-header.ts'
import { type CloseReason, farewellFor } from '../session/close-reason.ts'
import { Greeting, type ServerRequest } from '../session/greeting.ts'
import type { Traffic } from '../session/session-figures.ts'
import { adoptSocket } from './adopt-socket.ts'
import { LINGER_MS, sayFarewell } from './farewell.ts'
import type { SessionEnvironment } from './session-environment.ts'

/** What a client may send ahead of the server's first answer; more waits in its socket. */
const REQUEST_BYTES_MAX = 64 * 1024

/** What the client has done. Whatever the session does in turn, it may do at once. */
export interface FrontendLegEvents {
  /** A PROXY header has said who the client is; `null`: the peer itself. */
  readonly onIntroduced: (client: ProxiedClient | null) => void
  /** The first packet that wants a server is complete, and in `request`. */
  readonly onRequest: () => void
  /** These bytes came after it and belong to it. */
  readonly onMore: (chunk: Buffer) => void
  /** For the server, after `expectAnswers`. False: no more for now; `resume` says when. */
  readonly onAnswer: (chunk: Buffer) => boolean
  readonly onCancel: (key: string, bytes: Buffer) => void
  /** It may not go on. */
  readonly onRefused: (reason: CloseReason) => void
  /** FIN before the relay: there is nothing that it could still want to hear. */
  readonly onLeft: (reason: CloseReason) => void
  /** The connection broke; `onClosed` follows. */
  readonly onBroken: () => void
  /** Both directions are closed. Nothing follows. */
  readonly onClosed: () => void
}

export interface FrontendLegOptions {
  /** Accepted, with nothing read from it; best paused. */
  readonly socket: Socket
  readonly awaitsProxyHeader: boolean
  readonly environment: Pick<SessionEnvironment, 'tlsMode' | 'termination' | 'clock'>
  readonly events: FrontendLegEvents
}

/** What its bytes are taken for. */
type Expectation = 'greeting' | 'more' | 'answers' | 'silence' | 'over'

export class FrontendLeg {
  readonly #environment: FrontendLegOptions['environment']
  readonly #events: FrontendLegEvents
  /** What was accepted. */
  readonly #socket: Socket
  /** What the client's words come out of: the socket, or the TLS stream over it. */
  #stream: Socket
  #greeting: Greeting | null
  #expects: Expectation = 'greeting'
  #request: ServerRequest | null = null
  #handshake: 'none' | 'under-way' | 'failed' = 'none'

  constructor(options: FrontendLegOptions) {
    // Not `options`: what was accepted is of no use any more once it was adopted.
    this.#environment = options.environment
    this.#events = options.events
    const { tlsMode, termination } = options.environment
    // TLS takes the handle itself.
    this.#socket = tlsMode === 'terminate' ? options.socket : adoptSocket(options.socket)
    this.#stream = this.#socket
    this.#greeting = new Greeting({
      // As in PostgreSQL there is no TLS on Unix sockets; systemd may hand over one that nobody announced.
      tlsMode: tlsMode === 'terminate' && options.socket.remoteAddress === undefined ? 'off' : tlsMode,
      requiresTls: termination?.requiresTls ?? false,
      awaitsProxyHeader: options.awaitsProxyHeader,
    })
    this.#attach()
    this.#socket.on('close', this.#onClose)
    // It comes paused.
    this.#socket.resume()
  }

  /** What the client wants, and all it has sent since; `null` before, and when the relay has begun. */
  get request(): ServerRequest | null {
    return this.#request
  }

  /** Within TLS that ends here. */
  get isEncrypted(): boolean {
    return this.#stream !== this.#socket
  }

  /** The client waits for PostgreSQL messages that we can write, as far as it is for this side to know. */
  get mayBeTold(): boolean {
    return this.#request === null || this.#request.kind === 'startup-message'
  }

  /** Bytes on the wire, as Node counts them anyway; still there when the socket is closed. */
  get traffic(): Traffic {
    return { fromClient: this.#socket.bytesRead, toClient: this.#socket.bytesWritten }
  }

  /** Why the session ends when the client's time is over. */
  get timeoutReason(): CloseReason {
    return this.#greeting?.unfinished('timeout') ?? { kind: 'startup-timeout' }
  }

  /** False when it cannot take more for now; `onceDrained` says when it can. */
  write(pieces: readonly Buffer[]): boolean {
    const [first] = pieces
    if (first === undefined) return true
    return this.#stream.write(pieces.length === 1 ? first : Buffer.concat(pieces))
  }

  onceDrained(callback: () => void): void {
    this.#stream.once('drain', callback)
  }

  resume(): void {
    this.#stream.resume()
  }

  /** The server has declined TLS, and the client was told so: its next packet is another first one. */
  greetAgain(): void {
    this.#expects = 'greeting'
  }

  /** The server has asked for something: from now on what the client says is for the server. */
  expectAnswers(): void {
    this.#expects = 'answers'
  }

  /** Gives the stream to the relay, without a listener for its bytes or its end; `error` and `close` stay this leg's. */
  release(): Socket {
    this.#ignore()
    this.#greeting = null
    this.#request = null
    return this.#stream
  }

  /** Says why it ends, if it may be told, and FIN. The returned function stops waiting for the client to take it. */
  sayFarewell(reason: CloseReason, mayBeTold: boolean): () => void {
    this.#ignore()
    const { clock } = this.#environment
    // There is no stream yet that could be ended in good order, and words would be taken for part of the handshake.
    if (this.#handshake === 'under-way') this.destroy()
    // One that has failed is closed by Node, once its alert is sent.
    if (this.#handshake !== 'none') return clock.schedule(LINGER_MS, () => this.destroy())
    return sayFarewell({
      socket: this.#stream,
      clock,
      words: mayBeTold ? farewellFor(reason) : null,
      waitsForReader: reason.kind === 'finished' || reason.kind === 'backend-lost',
    })
  }

  /** Closes it now, without a word. */
  destroy(): void {
    this.#stream.destroy()
  }

  #ignore(): void {
    this.#expects = 'over'
    this.#stream.off('data', this.#onData).off('end', this.#onEnd)
  }

  #attach(): void {
    this.#stream.on('data', this.#onData)
    this.#stream.on('end', this.#onEnd)
    this.#stream.on('error', this.#onError)
  }

  readonly #onData = (chunk: Buffer): void => {
    switch (this.#expects) {
      case 'greeting':
        return this.#greet(chunk)
      case 'more':
        return this.#takeMore(chunk)
      case 'answers':
        if (!this.#events.onAnswer(chunk)) this.#stream.pause()
        return
      case 'silence':
      case 'over':
        return
      default: {
        const unhandled: never = this.#expects
        return unhandled
      }
    }
  }

  readonly #onEnd = (): void => {
    if (this.#expects === 'over') return
    this.#events.onLeft(this.#endReason)
    this.destroy()
  }

  get #endReason(): CloseReason {
    return this.#greeting?.unfinished('end') ?? { kind: 'client-left-early' }
  }

  readonly #onClose = (): void => {
    const events = this.#events
    if (this.#handshake === 'under-way') events.onLeft(this.#endReason)
    events.onClosed()
  }

  readonly #onError = (): void => {
    this.#events.onBroken()
    // A stream that TLS cannot make sense of any more is not always destroyed by Node.
    this.destroy()
  }

  #greet(chunk?: Buffer): void {
    const events = this.#events
    const step = this.#greeting?.take(chunk) ?? { kind: 'incomplete' }
    switch (step.kind) {
      case 'incomplete':
        return
      case 'introduced':
        events.onIntroduced(step.client)
        return this.#greet()
      case 'decline':
        this.#stream.write(Buffer.of(ENCRYPTION_ANSWERS.refused))
        return
      case 'start-tls':
        return this.#startTls(step)
      case 'refuse':
        return events.onRefused(step.reason)
      case 'cancel':
        this.#expects = 'silence'
        return events.onCancel(step.key, step.bytes)
      case 'request':
        this.#request = step.request
        this.#expects = 'more'
        return events.onRequest()
      default: {
        const unhandled: never = step
        return unhandled
      }
    }
  }

  /** Bytes while the client should be waiting for an answer. */
  #takeMore(chunk: Buffer): void {
    const events = this.#events
    const request = this.#request
    if (request === null) return
    // Plain bytes behind an SSLRequest would be taken for part of the TLS stream by one side: a known injection hole.
    if (request.kind === 'ssl-request') return events.onRefused({ kind: 'early-bytes' })
    this.#request = { kind: request.kind, bytes: Buffer.concat([request.bytes, chunk]) }
    events.onMore(chunk)
    if (this.#request.bytes.length >= REQUEST_BYTES_MAX) this.#stream.pause()
  }

  #startTls({ isDirect, bytes }: { readonly isDirect: boolean; readonly bytes: Buffer }): void {
    const [environment, events] = [this.#environment, this.#events]
    const socket = this.#socket
    this.#handshake = 'under-way'
    socket.off('data', this.#onData).off('end', this.#onEnd).pause()
    if (isDirect) socket.unshift(bytes)
    else socket.write(Buffer.of(ENCRYPTION_ANSWERS.tlsAccepted))
    environment.termination?.acceptor.accept(socket, {
      isDirect,
      onSecure: (stream, certificateProblem) => {
        this.#stream = stream
        this.#handshake = 'none'
        this.#greeting?.encrypted()
        this.#attach()
        if (certificateProblem !== null) events.onRefused({ kind: 'client-certificate', problem: certificateProblem })
      },
      onFailed: (problem) => {
        this.#handshake = 'failed'
        events.onRefused({ kind: 'tls-handshake-failed', problem })
      },
    })
  }
}
