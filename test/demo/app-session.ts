/**
 * One database session of the demo's application, as an ordinary Node program opens it with `pg`. Effect layer of the
 * demo: it knows one address, the proxy's, and nothing of nodes.
 */
import { Socket } from 'node:net'
import pg from 'pg'
import type { Login } from '../support/roles.ts'
import { codeOf } from './app-event.ts'

/** Something to write. `number` is unique. */
export interface Invoice {
  readonly number: string
  readonly customer: string
  readonly amountCents: number
}

/** Where the proxy listens. */
export interface AppAddress {
  readonly host: string
  readonly port: number
}

/** A connection attempt failed. `code` and `wasChallenged` as in the event ConnectFailed. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
  readonly code: string
  readonly wasChallenged: boolean

  constructor(cause: unknown, wasChallenged: boolean) {
    super(`cannot connect: ${(cause as Error).message}`, { cause })
    this.code = codeOf(cause)
    this.wasChallenged = wasChallenged
  }
}

/** Above `hold.timeout`: whoever gives up first should be the proxy, which can say why. */
const CONNECT_TIMEOUT_MS = 35_000

/** A Terminate is answered with a FIN within a moment, or never. */
const CLOSE_TIMEOUT_MS = 1_000

/** First byte of AuthenticationRequest (B): the server's first words in a login with a password. */
const AUTHENTICATION = 'R'.charCodeAt(0)

/**
 * The same number may be sent twice, when the answer to the first got lost: then the row is there already, and that is
 * as good. The server names itself, so the application can tell afterwards who acknowledged what.
 */
const INSERT = `
  INSERT INTO invoices (number, customer, amount_cents) VALUES ($1, $2, $3)
  ON CONFLICT (number) DO UPDATE SET customer = EXCLUDED.customer
  RETURNING inet_server_port() AS port`

export class AppSession {
  /** When it was opened, by `performance.now()`. */
  readonly connectedAt = performance.now()
  readonly #client: pg.Client
  readonly #socket: Socket
  readonly #onLost: (code: string) => void
  #isOver = false

  private constructor(client: pg.Client, socket: Socket, onLost: (code: string) => void) {
    this.#client = client
    this.#socket = socket
    this.#onLost = onLost
  }

  /**
   * Connects and logs in. Rejects with a ConnectError. `onLost` is told, once, the code of what ended the session or
   * failed its write; a session that the application closes is not lost. Aborting `signal` cuts it off at any time.
   */
  static async open(
    address: AppAddress,
    login: Login,
    onLost: (code: string) => void,
    signal: AbortSignal,
  ): Promise<AppSession> {
    const socket = new Socket()
    let wasChallenged = false
    socket.once('data', (bytes) => {
      wasChallenged = bytes[0] === AUTHENTICATION
    })
    const client = new pg.Client({
      ...address,
      ...login,
      ssl: false,
      application_name: 'demo',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      stream: () => socket,
    })
    let session: AppSession | null = null
    client.on('error', (error) => {
      if (session !== null) session.#lose(error)
    })
    const cut = () => socket.destroy()
    signal.addEventListener('abort', cut)
    socket.once('close', () => signal.removeEventListener('abort', cut))
    try {
      await client.connect()
    } catch (error) {
      socket.destroy()
      throw new ConnectError(error, wasChallenged)
    }
    session = new AppSession(client, socket, onLost)
    return session
  }

  /** Lost or closed: good for nothing any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Writes in a transaction of its own and gives the port of the server that acknowledged the COMMIT; `null` when the
   * write failed or is in doubt: the session is lost then.
   */
  async write(invoice: Invoice, style: 'explicit' | 'autocommit'): Promise<number | null> {
    try {
      if (style === 'autocommit') return await this.#insert(invoice)
      await this.#client.query('BEGIN')
      const port = await this.#insert(invoice)
      const { command } = await this.#client.query('COMMIT')
      if (command !== 'COMMIT') throw new Error(`COMMIT was answered with ${command}`)
      return port
    } catch (error) {
      this.#lose(error)
      return null
    }
  }

  /** Says goodbye as a well-behaved client does, and closes. */
  async close(): Promise<void> {
    // Whatever is said from here on concerns nobody.
    this.#isOver = true
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS)
    await this.#client.end().catch(() => {})
    clearTimeout(timer)
    this.#socket.destroy()
  }

  /** Only the first error tells why a session ended, the others follow from it. */
  #lose(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#socket.destroy()
    this.#onLost(codeOf(error))
  }

  async #insert({ number, customer, amountCents }: Invoice): Promise<number> {
    const { rows } = await this.#client.query<{ port: number }>(INSERT, [number, customer, amountCents])
    return rows[0]?.port ?? 0
  }
}
