/**
 * Watches a standby for the moment at which it is no longer in recovery, and measures from there to the proxy's first
 * session on it: the T3 of the specification. Test support.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { PostgresServer } from '../support/postgres-server.ts'
import type { ProxyScene } from './scene.ts'

/** How often the node is asked, which is how exact the measure is. */
const LOOK_EVERY_MS = 5

/** A watch on one node, from its start until `stop`. Asks over one session, as a standby's survive its promotion. */
export class RecoveryWatch {
  readonly #client: pg.Client
  readonly #work: Promise<void>
  readonly #node: PostgresServer
  readonly #logIndex: number
  readonly #scene: ProxyScene
  #writableAt: number | null = null
  #isStopping = false

  private constructor(node: PostgresServer, scene: ProxyScene, client: pg.Client) {
    this.#node = node
    this.#scene = scene
    this.#client = client
    this.#logIndex = scene.proxy.log.length
    this.#work = this.#run()
  }

  /** The node is a standby now. */
  static async start(node: PostgresServer, scene: ProxyScene): Promise<RecoveryWatch> {
    const client = new pg.Client({ host: node.host, port: node.port, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    await client.connect()
    return new RecoveryWatch(node, scene, client)
  }

  /** Milliseconds from the end of recovery to the first session routed there, which has happened. Says them on stderr. */
  async finish(description: string): Promise<number> {
    await this.#work
    const { name } = this.#node
    const record = await this.#scene.proxy.waitForLog(
      `the first session on ${name}`,
      ({ msg, node }) => msg === 'first session routed to the new primary' && node === name,
      { since: this.#logIndex },
    )
    const routedAt = Date.parse(String(record['time']))
    const ms = routedAt - (this.#writableAt ?? Number.NaN)
    process.stderr.write(
      `T3, ${description}: ${ms} ms from the end of recovery on ${name} to the first session there\n`,
    )
    return ms
  }

  /** When it was first seen out of recovery, in wall time; `NaN` before that. */
  get writableAt(): number {
    return this.#writableAt ?? Number.NaN
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#work
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isStopping) {
        const { rows } = await this.#client.query<{ r: boolean }>('SELECT pg_is_in_recovery() AS r')
        if (rows[0]?.r === false) {
          this.#writableAt = Date.now()
          break
        }
        await delay(LOOK_EVERY_MS)
      }
    } finally {
      await this.#client.end().catch(() => {})
    }
  }
}
