/**
 * Clusters run by the real repmgr: registered nodes, repmgrd on each, automatic failover, optionally a witness.
 * Test support. Every node has a loopback address of its own; all share one machine, so `ssh`, which repmgr needs for
 * a switchover, is a script that runs the command right here.
 */
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { chooseAddresses } from './postgres-cluster.ts'
import { PostgresServer } from './postgres-server.ts'
import { reapOnExit } from './reaper.ts'
import { requireRepmgrBinaries } from './repmgr-binaries.ts'
import { RepmgrNode } from './repmgr-node.ts'
import { createApplication, createMonitorRole, grantRepmgrToMonitor, type Login, MONITOR_LOGIN } from './roles.ts'
import type { ServerSettings } from './server-settings.ts'
import { giveToServerUser } from './server-user.ts'
import { makeServerFolder } from './temp-folder.ts'

/** Skips the options and the host, and runs the rest. */
const SSH_HERE = `#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    -o | -p | -l | -i) shift 2 ;;
    -*) shift ;;
    *) shift; break ;;
  esac
done
exec /bin/sh -c "$*"
`

/** What to make. */
export interface RepmgrClusterOptions {
  /** PostgreSQL nodes that can be primary; 1 or more. The witness is not counted. */
  readonly nodes: number
  /** Adds a node `witness`, a server of its own with the next node id. */
  readonly witness?: boolean
  /** Lines on top of repmgr.conf, for every node, without quotes: `{ connection_check_type: 'connection' }`. */
  readonly repmgrSettings?: Readonly<Record<string, string | number>>
  /** For every server. */
  readonly settings?: ServerSettings
  /** The role and database `einvoice`. */
  readonly application?: boolean
  /** `false`: no repmgrd, so nobody promotes by himself. */
  readonly daemons?: boolean
}

/** Makes the cluster, with repmgrd running and seen running on each node. Leaves nothing when it fails. */
export async function createRepmgrCluster(options: RepmgrClusterOptions): Promise<RepmgrCluster> {
  const binaries = requireRepmgrBinaries()
  const folder = makeServerFolder('repmgr')
  const release = reapOnExit({ kind: 'folder', path: folder })
  const nodes: RepmgrNode[] = []
  const cluster = new RepmgrCluster(nodes, folder, release)
  try {
    const names = Array.from({ length: options.nodes }, (_, index) => `node${index + 1}`)
    if (options.witness === true) names.push('witness')
    const addresses = await chooseAddresses(names.length, 'hosts')
    const toolFolder = makeSshHere(folder)
    for (const [index, name] of names.entries()) {
      const address = addresses[index]
      if (address === undefined) throw new Error(`no address for ${name}`)
      const ownData = index === 0 || name === 'witness'
      const server = await createServer(name, address, folder, binaries, ownData, options)
      nodes.push(new RepmgrNode(server, index + 1, toolFolder, options.repmgrSettings ?? {}))
    }
    await cluster.registerAll(options)
    return cluster
  } catch (error) {
    await cluster.destroy()
    throw error
  }
}

/** A cluster with repmgr. The test that made it calls `destroy`. */
export class RepmgrCluster {
  /** The witness, when there is one, is the last. */
  readonly repmgrNodes: readonly RepmgrNode[]
  readonly monitor: Login = { ...MONITOR_LOGIN, database: 'repmgr' }
  readonly #folder: string
  readonly #release: () => void

  /** Use `createRepmgrCluster`. */
  constructor(repmgrNodes: readonly RepmgrNode[], folder: string, release: () => void) {
    this.repmgrNodes = repmgrNodes
    this.#folder = folder
    this.#release = release
  }

  /** The servers, the witness included, so that a proxy can be put in front as with any other cluster. */
  get nodes(): readonly PostgresServer[] {
    return this.repmgrNodes.map((node) => node.server)
  }

  /** The node of that name; throws when there is none. */
  node(name: string): RepmgrNode {
    const found = this.repmgrNodes.find((node) => node.name === name)
    if (found === undefined) throw new Error(`no ${name} among ${this.repmgrNodes.map((each) => each.name).join(', ')}`)
    return found
  }

  /** Waits until the node takes writes, as after a failover; gives the milliseconds that took. */
  async waitForPrimary(name: string, timeoutMs = 60_000): Promise<number> {
    const startedAt = performance.now()
    await this.node(name).server.waitFor('SELECT NOT pg_is_in_recovery()', { timeoutMs })
    return performance.now() - startedAt
  }

  /** Waits until `standby` streams from `upstream`. */
  async waitForStreaming(standby: string, upstream: string, timeoutMs = 60_000): Promise<void> {
    // A standby's application_name is its repmgr node name.
    await this.node(upstream).server.waitFor(
      `SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = '${standby}' AND state = 'streaming')`,
      { timeoutMs },
    )
  }

  /** Part of `createRepmgrCluster`. */
  async registerAll(options: RepmgrClusterOptions): Promise<void> {
    const [first, ...others] = this.repmgrNodes
    if (first === undefined) throw new Error('a cluster needs at least one node')
    await first.server.start()
    await first.createMetadataDatabase()
    await createMonitorRole(first.server)
    if (options.application === true) await createApplication(first.server)
    await first.repmgr(['primary', 'register'])
    await grantRepmgrToMonitor(first.server, 'repmgr')
    await Promise.all(
      others.map(async (node) => {
        if (node.name === 'witness') await this.#startWitness(node, first)
        else await node.cloneAndRegister(first)
      }),
    )
    if (options.daemons === false) return
    await Promise.all(this.repmgrNodes.map((node) => node.startDaemon()))
  }

  /** `repmgr cluster show` as this node sees it. Exit code 25 means that something is amiss, and is no error here. */
  async clusterShow(name: string): Promise<string> {
    return (await this.node(name).repmgr(['cluster', 'show'], { okCodes: [0, 25] })).output
  }

  /** `repmgr standby switchover` on a standby; the others follow it. */
  async switchover(to: string): Promise<void> {
    const node = this.node(to)
    await node.repmgr(['standby', 'switchover', '--siblings-follow'], { timeoutMs: 120_000 })
  }

  /** `repmgr node rejoin --force-rewind` of a stopped node, to the primary `to`. */
  async rejoin(name: string, to: string): Promise<void> {
    const node = this.node(name)
    const target = this.node(to)
    // Inside the window before the first checkpoint after a promotion pg_rewind would see the old timeline.
    await target.server.query('CHECKPOINT')
    await node.repmgr(['node', 'rejoin', '--force-rewind', '-d', target.conninfo], { timeoutMs: 120_000 })
  }

  /** Ends every repmgrd and server and removes every file. May be called again. */
  async destroy(): Promise<void> {
    // All daemons before any server: one that sees a primary die would promote the next.
    await Promise.all(this.repmgrNodes.map((node) => node.killDaemon()))
    await Promise.all(this.repmgrNodes.map((node) => node.server.destroy()))
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
    this.#release()
  }

  async #startWitness(witness: RepmgrNode, primary: RepmgrNode): Promise<void> {
    await witness.server.start()
    await witness.createMetadataDatabase()
    await createMonitorRole(witness.server)
    await witness.repmgr(['witness', 'register', ...primary.connectionArgs])
    await grantRepmgrToMonitor(witness.server, 'repmgr')
  }
}

async function createServer(
  name: string,
  address: { readonly host: string; readonly port: number },
  parentFolder: string,
  binaries: PostgresBinaries,
  ownData: boolean,
  options: RepmgrClusterOptions,
): Promise<PostgresServer> {
  return await PostgresServer.create({
    binaries,
    name,
    parentFolder,
    ...address,
    initialize: ownData,
    // A witness is a cluster of its own, told from the others by its system identifier.
    freshInitdb: name === 'witness',
    settings: { shared_preload_libraries: 'repmgr', ...options.settings },
  })
}

/** Puts an `ssh` into the folder that stays on this machine; gives the folder, for PATH. */
function makeSshHere(folder: string): string {
  const path = join(folder, 'ssh')
  writeFileSync(path, SSH_HERE)
  chmodSync(path, 0o755)
  giveToServerUser(path)
  return folder
}
