/**
 * The program that runs one PostgreSQL node of a chaos run: started inside the namespace of the node's host, so that all
 * that it starts is there as well. Test support. It does what it is told over the channel to the stage and knows of no
 * faults; it is the host's remote console, so it goes on while the host is "frozen" or "without power".
 */
import process from 'node:process'
import { requireTool } from '../support/postgres-binaries.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import type { StopMode } from '../support/postmaster.ts'
import { requireRepmgrBinaries } from '../support/repmgr-binaries.ts'
import { RepmgrNode } from '../support/repmgr-node.ts'
import { createApplication, createMonitorRole, grantRepmgrToMonitor } from '../support/roles.ts'
import { runCommand } from '../support/run-command.ts'
import type { ServerSettings } from '../support/server-settings.ts'
import type { SqlRow } from '../support/sql.ts'

/** What the node is. */
export interface AgentSetup {
  readonly name: string
  readonly nodeId: number
  readonly address: string
  readonly port: number
  readonly parentFolder: string
  readonly settings: ServerSettings
  readonly repmgrSettings: Readonly<Record<string, string | number>>
  /** `own`: a cluster of its own; `shared`: as all other nodes; `none`: it will be a copy. */
  readonly data: 'own' | 'shared' | 'none'
}

/** How another node is reached. */
export interface Upstream {
  readonly nodeId: number
  readonly address: string
  readonly port: number
}

/** A call, and its answer. */
export interface AgentCall {
  readonly id: number
  readonly method: string
  readonly args: readonly unknown[]
}
export type AgentAnswer =
  | { readonly id: number; readonly kind: 'done'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly message: string }

/** All that can be asked of a host. */
export class NodeHost {
  readonly #node: RepmgrNode

  private constructor(node: RepmgrNode) {
    this.#node = node
  }

  static async create(setup: AgentSetup): Promise<NodeHost> {
    const { name, address, port, parentFolder, settings, data } = setup
    const binaries = requireRepmgrBinaries()
    const server = await PostgresServer.create({
      binaries,
      name,
      host: address,
      port,
      parentFolder,
      initialize: data !== 'none',
      freshInitdb: data === 'own',
      settings: { shared_preload_libraries: 'repmgr', ...settings },
    })
    // Segments of 1 MB: three nodes and a witness have to fit into little.
    const resetWal = ['--wal-segsize=1', '-D', server.dataDirectory]
    if (data !== 'none') await runCommand(requireTool(binaries, 'pg_resetwal'), resetWal, { folder: server.folder })
    return new NodeHost(new RepmgrNode(server, setup.nodeId, server.folder, setup.repmgrSettings))
  }

  /** The first primary, from nothing. */
  async beFirstPrimary(): Promise<void> {
    const { server } = this.#node
    await server.start()
    await this.#node.createMetadataDatabase()
    await createMonitorRole(server)
    await createApplication(server)
    await this.#node.repmgr(['primary', 'register'])
    await grantRepmgrToMonitor(server, 'repmgr')
  }

  async beWitness(primary: Upstream): Promise<void> {
    const { server } = this.#node
    await server.start()
    await this.#node.createMetadataDatabase()
    await createMonitorRole(server)
    await this.#node.repmgr(['witness', 'register', ...connectionArgs(primary)])
    await grantRepmgrToMonitor(server, 'repmgr')
  }

  /** The witness takes its rows from another primary from now on. */
  async registerWitness(primary: Upstream): Promise<void> {
    await this.#node.repmgr(['witness', 'register', '--force', ...connectionArgs(primary)])
  }

  /** Throws away what there is, and is a copy of `upstream` from now on. */
  async clone(upstream: Upstream): Promise<void> {
    const { server } = this.#node
    await server.removeDataDirectory()
    await this.#node.repmgr([...connectionArgs(upstream), 'standby', 'clone', '--fast-checkpoint'])
    await server.start()
    await this.#node.repmgr(['standby', 'register', '--force', `--upstream-node-id=${upstream.nodeId}`])
  }

  /** Stops the server if it runs, and has repmgr rewind it. Rejects when that cannot be done. */
  async rejoin(upstream: Upstream): Promise<void> {
    const { server } = this.#node
    const conninfo = `host=${upstream.address} port=${upstream.port} user=repmgr dbname=repmgr connect_timeout=2`
    if (server.isRunning) await server.stop()
    await this.#node.repmgr(['node', 'rejoin', '--force-rewind', '-d', conninfo], { timeoutMs: 40_000 })
  }

  /** A running standby follows another primary from now on. */
  async follow(upstream: Upstream): Promise<void> {
    await this.#node.repmgr(['standby', 'follow', `--upstream-node-id=${upstream.nodeId}`], { timeoutMs: 40_000 })
  }

  async promote(): Promise<void> {
    await this.#node.server.promote()
    await this.#node.repmgr(['primary', 'register', '--force'])
  }

  async registerPrimary(): Promise<void> {
    await this.#node.repmgr(['primary', 'register', '--force'])
  }

  /** Nothing when it runs already. It may answer 57P03 for a while: a standby without its upstream for long. */
  async start(): Promise<void> {
    const { server } = this.#node
    if (!server.isRunning) await server.start({ waitUntil: 'listening', timeoutMs: 60_000 })
  }

  async stop(mode: StopMode): Promise<void> {
    await this.#node.server.stop(mode)
  }

  /** Server and repmgrd, as a power cut ends them. */
  async kill(): Promise<void> {
    await this.#node.killHost()
  }

  /** The postmaster alone; what it leaves behind ends or works on. */
  async killPostmasterOnly(): Promise<void> {
    if (this.#node.server.isRunning) await this.#node.server.killPostmasterOnly()
  }

  async freeze(): Promise<void> {
    if (this.#node.server.isRunning) await this.#node.freezeHost()
  }

  async thaw(): Promise<void> {
    if (this.#node.server.isRunning) this.#node.thawHost()
  }

  /** Ends the one that runs, if any. */
  async restartDaemon(): Promise<void> {
    await this.#node.killDaemon()
    await this.#node.startDaemon()
  }

  async killDaemon(): Promise<void> {
    await this.#node.killDaemon()
  }

  async state(): Promise<{ readonly isRunning: boolean; readonly hasDaemon: boolean; readonly isStandby: boolean }> {
    const { server, daemonPid } = this.#node
    return { isRunning: server.isRunning, hasDaemon: daemonPid !== null, isStandby: server.hasStandbySignal }
  }

  async query(sql: string, database: string): Promise<readonly SqlRow[]> {
    return await this.#node.server.query(sql, { database, timeoutMs: 5_000 })
  }
}

/** The names of what can be asked. */
export type NodeHostMethod = Exclude<keyof NodeHost, symbol>

function connectionArgs({ address, port }: Upstream): readonly string[] {
  return ['-h', address, '-p', String(port), '-U', 'repmgr', '-d', 'repmgr']
}

if (process.send !== undefined) {
  const setup = JSON.parse(process.argv[2] ?? '') as AgentSetup
  const host = NodeHost.create(setup)
  host.catch(() => {})
  const answer = (message: AgentAnswer) => process.send?.(message)
  process.on('disconnect', () => process.exit(0))
  process.on('message', (call: AgentCall) => {
    const work = async () => {
      const methods = (await host) as unknown as Record<string, (...args: readonly unknown[]) => Promise<unknown>>
      return await methods[call.method]?.(...call.args)
    }
    work().then(
      (value) => answer({ id: call.id, kind: 'done', value }),
      (error: unknown) => answer({ id: call.id, kind: 'failed', message: (error as Error).message }),
    )
  })
}
