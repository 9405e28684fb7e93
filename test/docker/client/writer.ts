/**
 * One client as applications are: `long` keeps one session and writes over it, `fresh` connects anew for each invoice.
 * After an error it goes on with the next invoice, and never sends one twice. Runs inside the client container.
 */
import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Acknowledgement, ClientError } from './ledger.ts'

const INSERT = `INSERT INTO invoices (number, customer, amount_cents) VALUES ($1, $2, 100)
  RETURNING current_setting('cluster_name') AS node, pg_current_wal_insert_lsn()::text AS lsn,
    substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) AS timeline`
/** Refused at once and again at once, a client would do nothing but connect. */
const AFTER_REFUSAL_MS = 20
const TCP_CONNECT_MS = 3_000

export interface WriterOptions {
  readonly name: string
  readonly style: 'long' | 'fresh'
  readonly paceMs: number
  readonly login: pg.ClientConfig
}

export class Writer {
  readonly acknowledged: Acknowledgement[] = []
  readonly errors: ClientError[] = []
  readonly name: string
  readonly #options: WriterOptions
  readonly #work: Promise<void>
  #isStopping = false
  #sequence = 0

  constructor(options: WriterOptions) {
    this.#options = options
    this.name = options.name
    this.#work = this.#run()
  }

  /** Resolves when the invoice under way is done; a held connect is given up with the process. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#work
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const socket = new Socket()
      // TCP alone: what comes after may take as long as the proxy holds. A proxy that was started again may have another
      // address, and packets to the old one end nowhere.
      const tooLong = (): unknown =>
        socket.destroy(Object.assign(new Error('no TCP connection'), { code: 'ETIMEDOUT' }))
      const timer = setTimeout(tooLong, TCP_CONNECT_MS)
      socket.once('connect', () => clearTimeout(timer))
      const client = new pg.Client({ ...this.#options.login, application_name: this.name, stream: () => socket })
      // What the server says between two invoices is the cause; the next query would only say "not queryable".
      const idleErrors: Error[] = []
      client.on('error', (error) => idleErrors.push(error))
      let phase: ClientError['phase'] = 'connect'
      let sentAt = now()
      try {
        await client.connect()
        do {
          phase = 'write'
          sentAt = now()
          await this.#write(client, sentAt)
          phase = 'idle'
          await delay(this.#options.paceMs)
          if (idleErrors[0] !== undefined) throw idleErrors[0]
        } while (this.#options.style === 'long' && !this.#isStopping)
        await client.end()
      } catch (error) {
        this.#record(phase, phase === 'connect' ? error : (idleErrors[0] ?? error), sentAt)
        if (phase === 'connect') await delay(AFTER_REFUSAL_MS)
      } finally {
        clearTimeout(timer)
        // Not `client.end()`: after a connect that failed its promise may never be settled.
        socket.destroy()
      }
    }
  }

  async #write(client: pg.Client, sentAt: number): Promise<void> {
    const number = `${this.name}-${this.#sequence}`
    this.#sequence += 1
    const { rows } = await client.query<{ node: string; lsn: string; timeline: string }>(INSERT, [number, this.name])
    const { node = '', lsn = '', timeline = '' } = rows[0] ?? {}
    const timelineId = Number.parseInt(timeline, 16)
    this.acknowledged.push({ number, client: this.name, node, timelineId, lsn, sentAt, at: now() })
  }

  #record(phase: ClientError['phase'], error: unknown, sentAt: number): void {
    const { code = '', message, detail = null } = error as Error & { code?: string; detail?: string | null }
    this.errors.push({ client: this.name, phase, code, message, detail, sentAt, at: now() })
  }
}

function now(): number {
  return performance.timeOrigin + performance.now()
}
