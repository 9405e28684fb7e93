/**
 * The demo's application: some writers with long-lived sessions, as a connection pool holds them, and some that connect
 * anew for every write, as PHP does. After an error each connects again and sends the same invoice again.
 * Effect layer of the demo; what it sees goes out as events, it counts nothing.
 */
import { setMaxListeners } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { Login } from '../support/roles.ts'
import type { AppEvent } from './app-event.ts'
import { type AppAddress, AppSession, ConnectError, type Invoice } from './app-session.ts'

/** Who writes how often. */
export interface AppLoad {
  readonly sessionWriters: number
  readonly sessionPauseMs: number
  readonly connectionWriters: number
  readonly connectionPauseMs: number
}

/** Leaves a machine with two cores enough room for two PostgreSQL servers and a proxy. */
export const DEFAULT_LOAD: AppLoad = {
  sessionWriters: 4,
  sessionPauseMs: 10,
  connectionWriters: 4,
  connectionPauseMs: 40,
}

/** Between two attempts: no application retries in a tight loop. */
const RETRY_PAUSE_MS = 25

export interface ApplicationOptions {
  readonly address: AppAddress
  readonly login: Login
  /** Name of the node that listens on this port. */
  readonly nodeOf: (port: number) => string
  readonly onEvent: (event: AppEvent) => void
  readonly load?: AppLoad
}

/** Writes from `start` until `stop`. */
export class Application {
  readonly #options: ApplicationOptions
  readonly #stopped = new AbortController()
  /** Cuts what did not end by itself. */
  readonly #cut = new AbortController()
  #writers: readonly Promise<void>[] = []
  #connectingCount = 0

  constructor(options: ApplicationOptions) {
    this.#options = options
    // One listener for each open session; Node suspects a leak above ten.
    setMaxListeners(0, this.#cut.signal)
  }

  /** How many connection attempts are under way now; most of them held, when it stays above a few. */
  get connectingCount(): number {
    return this.#connectingCount
  }

  start(): void {
    const { sessionWriters, sessionPauseMs, connectionWriters, connectionPauseMs } = this.#options.load ?? DEFAULT_LOAD
    const several = (count: number, run: (name: string) => Promise<void>, prefix: string) =>
      Array.from({ length: count }, (_, index) => run(`${prefix}${index + 1}`))
    this.#writers = [
      ...several(sessionWriters, (name) => this.#run(name, 'explicit', sessionPauseMs), 'pool'),
      ...several(connectionWriters, (name) => this.#run(name, 'autocommit', connectionPauseMs), 'php'),
    ]
  }

  /** Lets each writer finish what it does, for at most `graceMs`, then cuts it off. Idempotent. */
  async stop(graceMs = 2_000): Promise<void> {
    this.#stopped.abort()
    const timer = setTimeout(() => this.#cut.abort(), graceMs)
    await Promise.all(this.#writers)
    clearTimeout(timer)
  }

  async #run(name: string, style: 'explicit' | 'autocommit', pauseMs: number): Promise<void> {
    let session: AppSession | null = null
    for (let count = 1; !this.#stopped.signal.aborted; count += 1) {
      const invoice = { number: `${name}-${count}`, customer: name, amountCents: count }
      session = await this.#writeUntilAcknowledged(invoice, style, session)
      if (style === 'autocommit') {
        await session?.close()
        session = null
      }
      await this.#pause(pauseMs)
    }
    await session?.close()
  }

  /** Gives the session that did it, open; `null` when the application is stopping. */
  async #writeUntilAcknowledged(
    invoice: Invoice,
    style: 'explicit' | 'autocommit',
    open: AppSession | null,
  ): Promise<AppSession | null> {
    let session = open
    let firstSentAt: number | null = null
    let attempts = 0
    while (!this.#stopped.signal.aborted) {
      if (session === null || session.isOver) session = await this.#connect()
      if (session !== null) {
        firstSentAt ??= performance.now()
        attempts += 1
        const port = await session.write(invoice, style)
        if (port !== null) {
          const { connectedAt } = session
          const node = this.#options.nodeOf(port)
          const at = performance.now()
          this.#tell({ kind: 'acknowledged', at, number: invoice.number, firstSentAt, attempts, node, connectedAt })
          return session
        }
      }
      await this.#pause(RETRY_PAUSE_MS)
    }
    await session?.close()
    return null
  }

  async #connect(): Promise<AppSession | null> {
    const startedAt = performance.now()
    this.#connectingCount += 1
    try {
      const onLost = (code: string) => this.#tell({ kind: 'session-lost', at: performance.now(), code })
      const session = await AppSession.open(this.#options.address, this.#options.login, onLost, this.#cut.signal)
      this.#tell({ kind: 'connected', startedAt, at: session.connectedAt })
      return session
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error
      const { code, wasChallenged } = error
      this.#tell({ kind: 'connect-failed', startedAt, at: performance.now(), code, wasChallenged })
      return null
    } finally {
      this.#connectingCount -= 1
    }
  }

  /** What happens to those who are cut off at the end is our own doing, and told to nobody. */
  #tell(event: AppEvent): void {
    if (!this.#cut.signal.aborted) this.#options.onEvent(event)
  }

  async #pause(durationMs: number): Promise<void> {
    await delay(durationMs, undefined, { signal: this.#stopped.signal }).catch(() => {})
  }
}
