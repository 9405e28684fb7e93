/**
 * Clients as applications are: some keep one session and write over it, some connect anew for each write. Both record
 * every acknowledged invoice with the server that took it, and every error with its SQLSTATE. Test support.
 */
import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { waitFor } from '../support/condition.ts'
import { APPLICATION_LOGIN, type Login } from '../support/roles.ts'

const { user: DEFAULT_USER, password: DEFAULT_PASSWORD, database: DEFAULT_DATABASE } = APPLICATION_LOGIN

/** Where to connect. */
export interface Target {
  readonly host: string
  readonly port: number
}

/** An invoice of which the client was told that it is written. */
export interface Acknowledgement {
  readonly number: string
  /** `host:port` of the server, as itself says. */
  readonly server: string
  readonly at: number
}

/** Something that went wrong, while connecting or while writing. */
export interface ClientError {
  readonly phase: 'connect' | 'write'
  /** SQLSTATE, or the errno name of a broken socket. */
  readonly code: string
  readonly message: string
  readonly detail: string | undefined
  readonly at: number
}

/** How the client works. */
export interface WriterOptions {
  /** `long`: one session for as long as it lasts, then a new one. `fresh`: a session for each invoice. */
  readonly style: 'long' | 'fresh'
  readonly name: string
  readonly login?: Login
  /** Pause between two invoices, which is its pace and waits for nothing. Default 20 ms; 0 is full speed. */
  readonly paceMs?: number
}

const INSERT = `INSERT INTO invoices (number, customer, amount_cents) VALUES ($1, $2, 100)
  RETURNING host(inet_server_addr()) || ':' || inet_server_port() AS server`

/** Writes from its start until `stop`, whatever happens meanwhile. */
export class Writer {
  readonly acknowledged: Acknowledgement[] = []
  readonly errors: ClientError[] = []
  /** Sessions it has had. */
  sessionCount = 0
  readonly #target: Target
  readonly #options: WriterOptions
  readonly #work: Promise<void>
  #isStopping = false
  #sequence = 0
  #phase: 'connect' | 'write' = 'connect'
  #socket: Socket | null = null

  constructor(target: Target, options: WriterOptions) {
    this.#target = target
    this.#options = options
    this.#work = this.#run()
  }

  /** Waits for `count` more acknowledgements than there are now, from `server` if that is given. */
  async waitForMore(count: number, server?: string, timeoutMs = 20_000): Promise<void> {
    const startAt = this.acknowledged.length
    const look = () => this.acknowledged.slice(startAt).filter((each) => server === undefined || each.server === server)
    await waitFor(`${count} more invoices of ${this.#options.name}`, () => look().length, {
      until: (seen) => seen >= count,
      timeoutMs,
    }).catch((error: unknown) => {
      const last = JSON.stringify(this.errors.at(-1) ?? null)
      throw new Error(`${(error as Error).message}; its last error: ${last}`, { cause: error })
    })
  }

  /** Lets the invoice under way finish, at most 5 s, and closes. What broke meanwhile is in `errors`. */
  async stop(): Promise<void> {
    this.#isStopping = true
    const timer = setTimeout(() => this.#socket?.destroy(), 5_000)
    await this.#work
    clearTimeout(timer)
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#session()
      } catch (error) {
        this.#record(error)
        // Refused at once and again at once, a client would do nothing but connect.
        if (this.#phase === 'connect') await delay(20)
      } finally {
        this.#socket?.destroy()
      }
    }
  }

  async #session(): Promise<void> {
    this.#phase = 'connect'
    const client = connectable(this.#target, this.#options.login, this.#options.name)
    this.#socket = client.socket
    let broken: unknown = null
    client.on('error', (error) => {
      broken ??= error
    })
    await client.connect()
    this.sessionCount += 1
    this.#phase = 'write'
    do {
      const number = `${this.#options.name}-${this.#sequence}`
      this.#sequence += 1
      const insert = client.query<{ server: string }>(INSERT, [number, this.#options.name])
      // What the server said before, even with the end of the login, is the cause; the query only says "not queryable".
      const { rows } = await insert.catch((error: unknown) => Promise.reject(broken ?? error))
      this.acknowledged.push({ number, server: rows[0]?.server ?? '', at: performance.now() })
      const { paceMs = 20 } = this.#options
      if (paceMs > 0) await delay(paceMs)
      if (broken !== null) throw broken
    } while (this.#options.style === 'long' && !this.#isStopping)
    await client.end()
  }

  #record(error: unknown): void {
    if (this.#isStopping && this.#socket?.destroyed === true && this.#phase === 'connect') return
    const { code = '', message, detail } = error as Error & { code?: string; detail?: string }
    this.errors.push({ phase: this.#phase, code, message, detail, at: performance.now() })
  }
}

/** A client of `pg` with its own socket, not connected yet; errors between queries are nobody's until listened for. */
export function connectable(
  target: Target,
  login: Partial<Login> = {},
  applicationName = 'scenario',
): pg.Client & { readonly socket: Socket } {
  const socket = new Socket()
  const client = new pg.Client({
    ...target,
    user: login.user ?? DEFAULT_USER,
    password: login.password ?? DEFAULT_PASSWORD,
    database: login.database ?? DEFAULT_DATABASE,
    application_name: applicationName,
    stream: () => socket,
  })
  return Object.assign(client, { socket })
}

/** Many writers at once. */
export class Crowd {
  readonly writers: readonly Writer[]

  /** `paceMs` as for one writer. */
  constructor(target: Target, counts: { readonly long: number; readonly fresh: number }, paceMs = 20) {
    const make = (style: 'long' | 'fresh', count: number) =>
      Array.from({ length: count }, (_, index) => {
        const name = `${style}${index}-${Math.round(performance.now())}`
        return new Writer(target, { style, name, paceMs })
      })
    this.writers = [...make('long', counts.long), ...make('fresh', counts.fresh)]
  }

  get acknowledged(): readonly Acknowledgement[] {
    return this.writers.flatMap((writer) => writer.acknowledged)
  }

  get errors(): readonly ClientError[] {
    return this.writers.flatMap((writer) => writer.errors)
  }

  /** Every writer has `count` more invoices acknowledged, by `server` if that is given. */
  async waitForMore(count: number, server?: string, timeoutMs?: number): Promise<void> {
    await Promise.all(this.writers.map((writer) => writer.waitForMore(count, server, timeoutMs)))
  }

  async stop(): Promise<void> {
    await Promise.all(this.writers.map((writer) => writer.stop()))
  }
}
