/**
 * The demo's play: what happens to the two servers, step by step, with the times that the tally needs. It does to them
 * what a power cut, repmgrd and an operator would do, and never touches the proxy or the application.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../support/condition.ts'
import type { PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import type { ProxyProcess } from '../support/proxy-process.ts'
import { registerStandby, replicateSynchronously } from './cluster-care.ts'
import type { Ledger } from './ledger.ts'
import { watchPromotion } from './promotion-watch.ts'
import { count, seconds } from './result-table.ts'
import type { Disturbance, TallyInput } from './tally.ts'

/** How long things last where nothing has to be waited for: long enough to be seen. */
const PACE = {
  calmMs: 2_000,
  /** repmgrd with quick settings; its defaults take a minute. */
  untilPromotedMs: 1_500,
  /** repmgr registers a promoted node about this long after it takes writes. */
  untilRegisteredMs: 1_000,
  downMs: 1_500,
} as const

export interface ScenarioOptions {
  readonly cluster: PostgresCluster
  readonly proxy: ProxyProcess
  readonly ledger: Ledger
  /** Begins a step. */
  readonly step: (title: string) => void
  /** Something that happened to the servers, now unless told otherwise. */
  readonly tell: (text: string, at?: number) => void
  /** Ends it early: it rejects at the next pause or wait, at most a few seconds later. */
  readonly signal: AbortSignal
}

/** What only the scenario knows of the run. */
export type ScenarioFacts = Pick<TallyInput, 'initialPrimary' | 'disturbances' | 'oldPrimary'>

export class Scenario {
  readonly #options: ScenarioOptions
  readonly #node1: PostgresServer
  readonly #node2: PostgresServer
  readonly #disturbances: Disturbance[] = []

  constructor(options: ScenarioOptions) {
    this.#options = options
    this.#node1 = options.cluster.node('node1')
    this.#node2 = options.cluster.node('node2')
  }

  /** The node that was promoted last, or the one that it began with. */
  get lastPrimary(): PostgresServer {
    const { cluster } = this.#options
    return cluster.node(this.#disturbances.at(-1)?.node ?? this.#node1.name)
  }

  /** Plays it to the end: node1 is primary then, as in the beginning, and node2 its standby. */
  async play(): Promise<ScenarioFacts> {
    await this.#runHealthy()
    await this.#loseThePrimary()
    const returnedAt = await this.#oldPrimaryReturns()
    await this.#newPrimaryRestarts(returnedAt)
    const rows = await this.#cloneTheOldPrimary()
    await this.#switchBack()
    return {
      initialPrimary: this.#node1.name,
      disturbances: this.#disturbances,
      oldPrimary: { node: this.#node1.name, rows },
    }
  }

  async #runHealthy(): Promise<void> {
    const { step, tell, cluster } = this.#options
    step('1/6  All is well')
    await replicateSynchronously(cluster, this.#node1, this.#node2)
    tell('node1 is primary, node2 its synchronous standby: what is acknowledged is on both')
    await this.#waitForWrite(0)
    await this.#pause(PACE.calmMs)
  }

  async #loseThePrimary(): Promise<void> {
    const { step, tell } = this.#options
    step('2/6  The primary is killed')
    const lostAt = performance.now()
    tell('node1: SIGKILL to all its processes, as in a power cut', lostAt)
    await this.#node1.kill()
    const goneAt = performance.now()
    await this.#pause(PACE.untilPromotedMs)
    step('3/6  The standby is promoted')
    await this.#promote(this.#node2, { what: 'node1 killed, node2 promoted', lostAt, goneAt })
    await this.#pause(PACE.calmMs)
  }

  /** Returns when it was back. */
  async #oldPrimaryReturns(): Promise<number> {
    const { step, tell, proxy, cluster } = this.#options
    step('4/6  The old primary starts again by itself')
    // Otherwise its commits would wait for node2 for ever. Most clusters have nothing that protects them like that.
    this.#node1.configure({ synchronous_standby_names: null })
    const returnedAt = performance.now()
    await this.#node1.start()
    tell('node1 is up, takes writes and believes to be the primary: nobody has told it otherwise')
    await this.#waitFor('the proxy to fence node1', async () => (await roleOf(proxy, 'node1')) === 'stale-primary')
    const { user, password, database } = cluster.application
    await this.#node1.query(
      `INSERT INTO invoices (number, customer, amount_cents) VALUES ('past the proxy', 'lost', 1)`,
      { user, password, database },
    )
    tell("an INSERT straight to node1's own port: acknowledged. It will be lost, as would all that is sent there")
    await this.#pause(PACE.calmMs)
    this.#tellWhoWrote(returnedAt)
    return returnedAt
  }

  async #newPrimaryRestarts(returnedAt: number): Promise<void> {
    const { step, tell } = this.#options
    step('5/6  The new primary is down for a moment: only the old one is left, and claims the role')
    const lostAt = performance.now()
    tell('node2: stopped (fast)', lostAt)
    await this.#node2.stop('fast')
    const goneAt = performance.now()
    await this.#pause(PACE.downMs)
    await this.#node2.start()
    const backAt = performance.now()
    tell('node2 is up again', backAt)
    this.#disturbances.push({ what: 'node2 restarted', lostAt, goneAt, backAt, node: 'node2', isPromotion: false })
    await this.#waitForWrite(backAt)
    await this.#pause(PACE.calmMs)
    this.#tellWhoWrote(returnedAt)
  }

  /** Returns the numbers that its database held before that. */
  async #cloneTheOldPrimary(): Promise<ReadonlySet<string>> {
    const { step, tell, cluster } = this.#options
    step('6/6  The old primary becomes a standby, and a switchover goes back to it')
    const rows = await readNumbers(cluster, this.#node1)
    await this.#node1.stop('fast')
    await cluster.reclone(this.#node1, this.#node2)
    await registerStandby(cluster, this.#node2, this.#node1)
    await replicateSynchronously(cluster, this.#node2, this.#node1)
    tell('node1: its data thrown away, cloned from node2, streaming from it, synchronous')
    await this.#pause(PACE.downMs)
    return rows
  }

  async #switchBack(): Promise<void> {
    const { tell, cluster } = this.#options
    const lostAt = performance.now()
    tell('node2: stopped (fast); node1 has all that it wrote', lostAt)
    await this.#node2.stop('fast')
    const goneAt = performance.now()
    await this.#promote(this.#node1, { what: 'switchover to node1', lostAt, goneAt })
    this.#node2.configure({ synchronous_standby_names: null })
    await cluster.follow(this.#node2, this.#node1)
    await this.#node2.start()
    await cluster.waitForStreaming(this.#node1, [this.#node2])
    await registerStandby(cluster, this.#node1, this.#node2)
    await replicateSynchronously(cluster, this.#node1, this.#node2)
    tell('node2 streams from node1: as in the beginning')
    await this.#pause(PACE.downMs)
  }

  async #promote(node: PostgresServer, loss: Pick<Disturbance, 'what' | 'lostAt' | 'goneAt'>): Promise<void> {
    const { tell, cluster } = this.#options
    const { promotedAt } = await watchPromotion(node)
    tell(`${node.name}: pg_promote()`)
    const [backAt] = await Promise.all([promotedAt, node.promote()])
    tell(`${node.name} takes writes, ${seconds(backAt - loss.lostAt)} after the loss`, backAt)
    this.#disturbances.push({ ...loss, backAt, node: node.name, isPromotion: true })
    await this.#waitForWrite(backAt)
    await this.#pause(PACE.untilRegisteredMs)
    await cluster.recordPromotion(node)
    tell(`${node.name} is registered as primary in repmgr.nodes`)
  }

  async #pause(durationMs: number): Promise<void> {
    await delay(durationMs, undefined, { signal: this.#options.signal })
  }

  async #waitFor(description: string, look: () => boolean | Promise<boolean>): Promise<void> {
    const { signal } = this.#options
    await waitFor(description, () => signal.aborted || look(), { timeoutMs: 20_000, intervalMs: 5 })
    signal.throwIfAborted()
  }

  /** Where it writes is not the scenario's to judge: the tally does that. */
  async #waitForWrite(since: number): Promise<void> {
    const { ledger } = this.#options
    await this.#waitFor('the application to write again', () => ledger.hasWrittenSince(since))
  }

  #tellWhoWrote(since: number): void {
    const writes = this.#options.ledger.writesSince(since)
    const [old, rightful] = ['node1', 'node2'].map((node) => count(writes.get(node) ?? 0))
    this.#options.tell(`writes through the proxy since node1 came back: ${rightful} on node2, ${old} on node1`)
  }
}

/** The numbers of all invoices in a server's database. */
export async function readNumbers(cluster: PostgresCluster, node: PostgresServer): Promise<ReadonlySet<string>> {
  const rows = await node.query('SELECT number FROM invoices', { database: cluster.application.database })
  return new Set(rows.map((row) => String(row['number'])))
}

async function roleOf(proxy: ProxyProcess, name: string): Promise<string | undefined> {
  const { nodes } = (await proxy.status()) as {
    readonly nodes: readonly { readonly name: string; readonly role: string }[]
  }
  return nodes.find((node) => node.name === name)?.role
}
