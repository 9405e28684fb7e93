/**
 * One client of the soak: logs in without a password, asks one thing at a time, leaves or is thrown out. Test support.
 * It tells how it went and never tries again: whether somebody comes back is standing-clients.ts's.
 */
import { connect, type Socket } from 'node:net'
import { findKey, GOODBYE, query, ReadyWatch, sqlStateOf, startup } from './wire.ts'

/** Where and as whom. */
export interface ClientTarget {
  readonly port: number
  readonly user: string
  readonly database: string
}

export interface SoakClientOptions {
  readonly target: ClientTarget
  /** Each time that it may ask: after the login, and after each answer. `error`: SQLSTATE of the answer, if it was one. */
  readonly onReady: (client: SoakClient, error: string | null) => void
  /** Once, when the connection is gone. `why`: `left`, a SQLSTATE, an errno, or `end of file`. */
  readonly onEnd: (client: SoakClient, why: string) => void
  /** Keeps the key of the login, for a cancel request. */
  readonly keepsKey?: boolean
  /** Waits this long after every piece of an answer before it reads the next. */
  readonly readsEveryMs?: number
}

export class SoakClient {
  readonly startedAt = performance.now()
  askedAt = 0
  /** It has logged in, and nobody waits for an answer. */
  isReady = false
  hasLoggedIn = false
  key: Buffer | null = null
  readonly #socket: Socket
  readonly #options: SoakClientOptions
  readonly #watch = new ReadyWatch()
  #login: Buffer[] | null
  #error: string | null = null
  #hasLeft = false
  #pause: NodeJS.Timeout | null = null

  constructor(options: SoakClientOptions) {
    const { target } = options
    this.#options = options
    this.#login = options.keepsKey === true ? [] : null
    const socket = connect({ host: '127.0.0.1', port: target.port, noDelay: true })
    this.#socket = socket
    let errno: string | null = null
    socket.on('data', (piece: Buffer) => this.#take(piece))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      errno = error.code ?? error.message
    })
    socket.on('close', () => {
      if (this.#pause !== null) clearTimeout(this.#pause)
      this.isReady = false
      options.onEnd(this, this.#hasLeft ? 'left' : (this.#error ?? errno ?? 'end of file'))
    })
    socket.write(startup(target))
  }

  /** The message of `query`; a buffer so that thousands can share one. */
  ask(message: Buffer): void {
    this.isReady = false
    this.askedAt = performance.now()
    this.#socket.write(message)
  }

  askFor(sql: string): void {
    this.ask(query(sql))
  }

  /** Terminate, then FIN. */
  leave(): void {
    this.#hasLeft = true
    // Nobody says goodbye in the middle of an answer; and what is not read would keep the other side from closing.
    this.#socket.resume()
    this.#socket.end(GOODBYE)
  }

  /** RST, as of a program that was killed. */
  drop(): void {
    this.#hasLeft = true
    this.#socket.resetAndDestroy()
  }

  #take(piece: Buffer): void {
    this.#error = sqlStateOf(piece) ?? this.#error
    this.#login?.push(piece)
    if (this.#options.readsEveryMs !== undefined && this.hasLoggedIn && !this.#hasLeft) {
      this.#socket.pause()
      this.#pause = setTimeout(() => this.#socket.resume(), this.#options.readsEveryMs)
    }
    if (!this.#watch.take(piece)) return
    if (this.#login !== null) {
      this.key = findKey(Buffer.concat(this.#login))
      this.#login = null
    }
    this.isReady = true
    this.hasLoggedIn = true
    this.#options.onReady(this, this.#error)
    this.#error = null
  }
}
