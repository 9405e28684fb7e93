/**
 * Relays bytes between the two sockets of a session, with half-close. Effect layer. In a readable stream the backend's
 * side is watched for message boundaries and SQLSTATEs; nothing else is looked at, and what cannot be read is not looked
 * at at all. How the bytes get from one socket to the other is relay-direction.ts.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { BoundaryTracker, type SqlStateListener } from '../protocol/boundary-tracker.ts'
import { RelayDirection } from './relay-direction.ts'

/** Byte1('X') Int32(4): Terminate (F). */
const TERMINATE_TYPE = 0x58
const TERMINATE_BYTES = 5

/** Byte1('Z') Int32(5) Byte1: ReadyForQuery (B). */
const READY_FOR_QUERY_TYPE = 0x5a
const READY_FOR_QUERY_BYTES = 6

export interface RelayOptions {
  /** The relay listens to it; it stays the caller's. Has a listener for `error` already, as the next one. */
  readonly frontendSocket: Socket
  /** The relay's from now on. */
  readonly backendSocket: Socket
  /** False inside TLS that we cannot read. */
  readonly isReadable: boolean
  /** A readable backend said this in an ErrorResponse or NoticeResponse. */
  readonly onSqlState: (sqlState: string) => void
  /** The backend closed or broke. `explained`: it told the client why, or the client had said goodbye. May come twice. */
  readonly onBackendEnd: (explained: boolean) => void
}

export class Relay {
  readonly #options: RelayOptions
  readonly #tracker: BoundaryTracker | null
  readonly #up: RelayDirection
  readonly #down: RelayDirection
  /** The client's last bytes were a Terminate, or it sent FIN. */
  #clientSaidGoodbye = false
  /** The backend's last message was an error: it says why it leaves. Drivers take no notice of a notice. */
  #backendSaidGoodbye = false

  constructor(options: RelayOptions) {
    this.#options = options
    this.#tracker = options.isReadable ? new BoundaryTracker({ onSqlState: this.#onSqlState }) : null
    const { frontendSocket, backendSocket } = options
    this.#up = new RelayDirection(frontendSocket, backendSocket, this.#watchFrontend)
    this.#down = new RelayDirection(backendSocket, frontendSocket, this.#watchBackend)
  }

  /** True when last words may be written to the client now. */
  get mayInterject(): boolean {
    return this.#tracker?.atBoundary === true
  }

  /** Begins with what was read from the backend beyond the login, empty if nothing was. */
  start(rest: Buffer): void {
    const { frontendSocket, backendSocket } = this.#options
    frontendSocket.on('end', this.#onFrontendEnd)
    backendSocket.on('end', this.#onBackendEnd)
    // After a RST there is no `end`.
    backendSocket.on('close', this.#onBackendEnd)
    this.#up.start(null)
    this.#down.start(rest)
  }

  /**
   * Destroys the backend's socket at once, and lets go of the frontend's. `discards`: what the backend has not taken yet
   * is not to reach it any more, also when it was cut off and comes back. Idempotent.
   */
  dropBackend(discards: boolean): void {
    const { frontendSocket, backendSocket } = this.#options
    this.#up.stop()
    this.#down.stop()
    frontendSocket.off('end', this.#onFrontendEnd)
    backendSocket.off('end', this.#onBackendEnd).off('close', this.#onBackendEnd)
    if (discards) discard(backendSocket)
    else backendSocket.destroy()
  }

  readonly #watchFrontend = (chunk: Buffer, count: number): void => {
    this.#clientSaidGoodbye = endsWithTerminate(chunk, count)
  }

  readonly #watchBackend = (chunk: Buffer, count: number): void => {
    const tracker = this.#tracker
    if (tracker === null) return
    // What was cut off by the last read is still being said.
    if (tracker.atBoundary) this.#backendSaidGoodbye = false
    tracker.track(chunk, count)
    if (this.#backendSaidGoodbye && endsWithReadyForQuery(chunk, count)) this.#backendSaidGoodbye = false
  }

  // Half-close: the client has said all it had to say, the server goes on answering.
  readonly #onFrontendEnd = (): void => {
    this.#clientSaidGoodbye = true
    this.#options.backendSocket.end()
  }

  readonly #onBackendEnd = (): void => {
    this.#options.onBackendEnd(this.#clientSaidGoodbye || this.#backendSaidGoodbye)
  }

  readonly #onSqlState: SqlStateListener = (sqlState, type) => {
    if (type === 'error') this.#backendSaidGoodbye = true
    this.#options.onSqlState(sqlState)
  }
}

/**
 * A RST empties the kernel's queue, where a FIN would be sent behind it. TLS and Unix sockets cannot be reset: there the
 * kernel still delivers what it was given.
 */
function discard(socket: Socket): void {
  const isPlainTcp = !(socket instanceof TLSSocket) && socket.remoteFamily !== undefined
  if (isPlainTcp) socket.resetAndDestroy()
  else socket.destroy()
}

/** Cut off from its first bytes by a read boundary it is missed: then a leaving client is told what it does not read. */
function endsWithTerminate(chunk: Buffer, count: number): boolean {
  const start = count - TERMINATE_BYTES
  return start >= 0 && chunk[start] === TERMINATE_TYPE && chunk.readInt32BE(start + 1) === TERMINATE_BYTES - 1
}

/** Then an error before it was a statement's, not the end of the session. */
function endsWithReadyForQuery(chunk: Buffer, count: number): boolean {
  const start = count - READY_FOR_QUERY_BYTES
  return (
    start >= 0 && chunk[start] === READY_FOR_QUERY_TYPE && chunk.readInt32BE(start + 1) === READY_FOR_QUERY_BYTES - 1
  )
}
