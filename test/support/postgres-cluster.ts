/**
 * Clusters of real PostgreSQL on loopback with streaming replication: one primary, the rest standbys, as hand-made as
 * the tests need them. Test support. No repmgr here (see repmgr-cluster.ts): nobody promotes or follows by itself.
 */
import { rmSync } from 'node:fs'
import { copyRunningServer } from './base-backup.ts'
import { waitFor } from './condition.ts'
import { freePort, freePorts, loopbackHosts } from './free-port.ts'
import { type PostgresBinaries, requireBinaries } from './postgres-binaries.ts'
import { PostgresServer } from './postgres-server.ts'
import { reapOnExit } from './reaper.ts'
import {
  createRepmgrImitation,
  REPMGR_DATABASE,
  type RepmgrRow,
  readRepmgrRows,
  rowsAfterPromotion,
  writeRepmgrRows,
} from './repmgr-metadata.ts'
import {
  APPLICATION_LOGIN,
  createApplication,
  createMonitorRole,
  grantRepmgrToMonitor,
  type Login,
  MONITOR_LOGIN,
} from './roles.ts'
import type { ServerSettings } from './server-settings.ts'
import { makeServerFolder } from './temp-folder.ts'

/** What to make; only the number of nodes is needed. */
export interface ClusterOptions {
  /** 1 or more. */
  readonly nodes: number
  /** Default: whatever this machine has, the system's first. */
  readonly binaries?: PostgresBinaries
  /**
   * `ports` (default): all on 127.0.0.1. `hosts`: each on an address of its own with the same port, which needs
   * 127.0.0.0/8 to be local (Linux).
   */
  readonly separateBy?: 'ports' | 'hosts'
  /** For every node, on top of the harness's defaults. */
  readonly settings?: ServerSettings
  /** Each standby has a slot, named like the node, on the server it follows. */
  readonly replicationSlots?: boolean
  /** An imitation of repmgr's table in database `repmgr`; see repmgr-metadata.ts. */
  readonly repmgrTables?: boolean
  /** The role and database `einvoice` with the table `invoices`. */
  readonly application?: boolean
  /** A system identifier that no other cluster has. Without it, clusters of one PostgreSQL version share theirs. */
  readonly freshInitdb?: boolean
}

/** Makes a cluster and starts it: `node1` is the primary, `node2` … stream from it. Leaves nothing when it fails. */
export async function createCluster(options: ClusterOptions): Promise<PostgresCluster> {
  const folder = makeServerFolder('cluster')
  const release = reapOnExit({ kind: 'folder', path: folder })
  const nodes: PostgresServer[] = []
  const cluster = new PostgresCluster(nodes, options, folder, release)
  try {
    const binaries = options.binaries ?? requireBinaries('any')
    const addresses = await chooseAddresses(options.nodes, options.separateBy ?? 'ports')
    for (const [index, address] of addresses.entries()) {
      const node = await PostgresServer.create({
        binaries,
        name: `node${index + 1}`,
        parentFolder: folder,
        ...address,
        ...(options.settings === undefined ? {} : { settings: options.settings }),
        initialize: index === 0,
        freshInitdb: options.freshInitdb ?? false,
      })
      nodes.push(node)
    }
    await cluster.startForTheFirstTime()
    return cluster
  } catch (error) {
    await cluster.destroy()
    throw error
  }
}

/** A running cluster. The test that made it calls `destroy`; all else may be done in any order, and broken. */
export class PostgresCluster {
  readonly nodes: readonly PostgresServer[]
  /** For the probe. `database` is `repmgr` when there is one, else `postgres`. */
  readonly monitor: Login
  /** For the application; only when `application` was asked for. */
  readonly application: Login = APPLICATION_LOGIN
  readonly #options: ClusterOptions
  readonly #folder: string
  readonly #release: () => void

  /** Use `createCluster`. */
  constructor(nodes: readonly PostgresServer[], options: ClusterOptions, folder: string, release: () => void) {
    this.nodes = nodes
    this.monitor = options.repmgrTables === true ? { ...MONITOR_LOGIN, database: REPMGR_DATABASE } : MONITOR_LOGIN
    this.#options = options
    this.#folder = folder
    this.#release = release
  }

  /** The node of that name; throws when there is none. */
  node(name: string): PostgresServer {
    const found = this.nodes.find((node) => node.name === name)
    if (found === undefined) throw new Error(`no ${name} among ${this.nodes.map((each) => each.name).join(', ')}`)
    return found
  }

  /** Part of `createCluster`. */
  async startForTheFirstTime(): Promise<void> {
    const [primary, ...standbys] = this.nodes
    if (primary === undefined) throw new Error('a cluster needs at least one node')
    await primary.start()
    await createMonitorRole(primary)
    if (this.#options.application === true) await createApplication(primary)
    if (this.#options.repmgrTables === true) {
      await createRepmgrImitation(primary)
      await grantRepmgrToMonitor(primary, REPMGR_DATABASE)
      await this.setRepmgrRows(primary, this.#initialRows())
    }
    await Promise.all(
      standbys.map(async (standby) => {
        await copyRunningServer(primary, standby.dataDirectory)
        await this.#pointTo(standby, primary)
        await standby.start()
      }),
    )
    await this.waitForStreaming(primary)
    await this.waitForReplay(primary)
  }

  /** Has a standby stream from another server from now on. A running one goes on answering meanwhile. */
  async follow(standby: PostgresServer, upstream: PostgresServer): Promise<void> {
    await this.#pointTo(standby, upstream)
    if (standby.isRunning) standby.reload()
  }

  /** Throws the node's data away, copies `from` (a running primary or standby) and starts it as a standby of that. */
  async reclone(node: PostgresServer, from: PostgresServer): Promise<void> {
    await node.removeDataDirectory()
    await copyRunningServer(from, node.dataDirectory)
    await this.#pointTo(node, from)
    await node.start()
    await this.waitForStreaming(from, [node])
  }

  /** Waits until each of `standbys` (default: all other running standbys) streams from `upstream`. */
  async waitForStreaming(upstream: PostgresServer, standbys = this.#standbysOtherThan(upstream)): Promise<void> {
    const names = standbys.map((standby) => standby.name).sort()
    await waitFor(
      `${names.join(', ')} to stream from ${upstream.name}`,
      async () => {
        const rows = await upstream.query('SELECT application_name, state FROM pg_stat_replication')
        return rows.map((row) => `${row['application_name']} ${row['state']}`)
      },
      { timeoutMs: 20_000, until: (seen) => names.every((name) => seen.includes(`${name} streaming`)) },
    )
  }

  /** Waits until each of `standbys` has replayed all that `upstream` has written, or replayed itself, so far. */
  async waitForReplay(upstream: PostgresServer, standbys = this.#standbysOtherThan(upstream)): Promise<void> {
    const target = await upstream.value(
      'SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END',
    )
    await Promise.all(
      standbys.map((standby) => standby.waitFor(`SELECT pg_last_wal_replay_lsn() >= '${String(target)}'`)),
    )
  }

  /** Replaces the rows of the imitated `repmgr.nodes` on a server that takes writes; its standbys get them by WAL. */
  async setRepmgrRows(server: PostgresServer, rows: readonly RepmgrRow[]): Promise<void> {
    await writeRepmgrRows(server, rows)
  }

  /** The imitated rows as this server has them. */
  async repmgrRows(server: PostgresServer): Promise<readonly RepmgrRow[]> {
    return await readRepmgrRows(server)
  }

  /** Writes to a promoted node the rows that repmgr would write there about 1 s after its promotion. */
  async recordPromotion(promoted: PostgresServer): Promise<void> {
    await writeRepmgrRows(promoted, rowsAfterPromotion(await readRepmgrRows(promoted), promoted.name))
  }

  /** Kills every node and removes every file. May be called again. */
  async destroy(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.destroy()))
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
    this.#release()
  }

  async #pointTo(standby: PostgresServer, upstream: PostgresServer): Promise<void> {
    const conninfo = upstream.conninfo({ application_name: standby.name, connect_timeout: 2 })
    standby.setAutoConf('primary_conninfo', conninfo)
    standby.setStandbySignal(true)
    if (this.#options.replicationSlots !== true) return
    await upstream.query(
      `SELECT pg_create_physical_replication_slot($1) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)`,
      { values: [standby.name] },
    )
    standby.setAutoConf('primary_slot_name', standby.name)
  }

  #standbysOtherThan(node: PostgresServer): readonly PostgresServer[] {
    return this.nodes.filter((other) => other !== node && other.isRunning && other.hasStandbySignal)
  }

  #initialRows(): readonly RepmgrRow[] {
    return this.nodes.map((node, index) => ({
      nodeId: index + 1,
      upstreamNodeId: index === 0 ? null : 1,
      active: true,
      nodeName: node.name,
      type: index === 0 ? 'primary' : 'standby',
      conninfo: `host=${node.host} port=${node.port} user=repmgr dbname=${REPMGR_DATABASE} connect_timeout=2`,
    }))
  }
}

/** Where each node of a cluster listens. */
export async function chooseAddresses(
  count: number,
  separateBy: 'ports' | 'hosts',
): Promise<readonly { readonly host: string; readonly port: number }[]> {
  if (separateBy === 'ports') return (await freePorts(count)).map((port) => ({ host: '127.0.0.1', port }))
  const hosts = loopbackHosts(count)
  const port = await freePort(hosts)
  return hosts.map((host) => ({ host, port }))
}
