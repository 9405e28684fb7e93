/**
 * The stage of a chaos run: three nodes and a witness under real repmgr, two proxies and a host for clients, each on a host
 * of its own on one Ethernet. Test support. Only inside namespaces of its own; it breaks nothing by itself.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../support/condition.ts'
import { makeEthernet, NetworkHost } from '../support/network-host.ts'
import { APPLICATION_LOGIN, MONITOR_LOGIN } from '../support/roles.ts'
import { giveToServerUser } from '../support/server-user.ts'
import { querySql, type SqlRow } from '../support/sql.ts'
import type { HistoryEvent, TruthEvent } from './history.ts'
import { HistoryWriter } from './history-file.ts'
import {
  ADDRESSES,
  DATA_NODES,
  type DataNodeName,
  type HostName,
  NODES,
  type NodeName,
  PROXIES,
  type ProxyName,
  SERVER_PORT,
  STAGE_ADDRESS,
} from './hosts.ts'
import { StageNode } from './node-host.ts'
import { StageProxy } from './stage-proxy.ts'
import { CHAOS_TABLES_SQL } from './tables.ts'
import { TruthWatch } from './truth-watch.ts'

/** Little disk, and a cut that is noticed within seconds rather than a minute. */
const SERVER_SETTINGS = {
  max_connections: 100,
  min_wal_size: '4MB',
  max_wal_size: '16MB',
  wal_keep_size: '24MB',
  wal_sender_timeout: '6s',
  wal_receiver_timeout: '6s',
  log_connections: true,
  log_min_messages: 'warning',
}

/** On a machine that has much else to do. */
const START_LIMIT_MS = 90_000

/** Made by `open`; `close` ends all of it. */
export class ChaosStage {
  /** For what the run keeps: history, logs. */
  readonly folder: string
  readonly history: HistoryWriter
  readonly nodes: ReadonlyMap<NodeName, StageNode>
  readonly proxies: ReadonlyMap<ProxyName, StageProxy>
  readonly clientHost: NetworkHost
  readonly #watches: ReadonlyMap<NodeName, TruthWatch>
  readonly #cables = new Map<HostName, number>()
  #lastPrimary: DataNodeName = 'node1'

  private constructor(
    folder: string,
    history: HistoryWriter,
    nodes: ReadonlyMap<NodeName, StageNode>,
    proxies: ReadonlyMap<ProxyName, StageProxy>,
    clientHost: NetworkHost,
    watches: ReadonlyMap<NodeName, TruthWatch>,
  ) {
    this.folder = folder
    this.history = history
    this.nodes = nodes
    this.proxies = proxies
    this.clientHost = clientHost
    this.#watches = watches
  }

  /** A healthy cluster with node1 as primary, repmgrd on each node, both proxies serving. `folder` is there and empty. */
  static async open(folder: string): Promise<ChaosStage> {
    makeEthernet([`${STAGE_ADDRESS}/24`])
    // Servers have theirs in it, as another user.
    giveToServerUser(folder)
    mkdirSync(historyFolder(folder))
    const history = new HistoryWriter(historyFolder(folder), 'stage')
    const nodes = new Map<NodeName, StageNode>()
    for (const [index, name] of NODES.entries()) {
      const data = name === 'witness' ? 'own' : index === 0 ? 'shared' : 'none'
      const address = ADDRESSES[name]
      const setup = { name, nodeId: index + 1, address, port: SERVER_PORT, parentFolder: folder, data } as const
      nodes.set(name, await StageNode.open(name, { ...setup, settings: SERVER_SETTINGS, repmgrSettings: {} }))
    }
    const proxies = new Map<ProxyName, StageProxy>()
    const tell = (event: HistoryEvent) => history.write(event)
    const monitor = { ...MONITOR_LOGIN, database: 'repmgr' }
    for (const name of PROXIES) proxies.set(name, await StageProxy.open(name, folder, monitor, tell))
    const clientHost = await NetworkHost.plugIn('clients', `${ADDRESSES.clients}/24`)
    await startCluster(nodes)
    const watches = new Map<NodeName, TruthWatch>()
    for (const name of DATA_NODES) {
      const { socketFolder } = nodes.get(name) as StageNode
      watches.set(name, new TruthWatch(name, socketFolder, SERVER_PORT, tell))
    }
    const stage = new ChaosStage(folder, history, nodes, proxies, clientHost, watches)
    for (const proxy of proxies.values()) proxy.start()
    await Promise.all(PROXIES.map((name) => stage.waitUntilServing(name, 'node1')))
    return stage
  }

  get historyFolder(): string {
    return historyFolder(this.folder)
  }

  node(name: NodeName): StageNode {
    return this.nodes.get(name) as StageNode
  }

  proxy(name: ProxyName): StageProxy {
    return this.proxies.get(name) as StageProxy
  }

  host(name: HostName): NetworkHost {
    if (name === 'clients') return this.clientHost
    return (this.nodes.get(name as NodeName) ?? this.proxy(name as ProxyName)).host
  }

  truth(name: NodeName): TruthEvent | null {
    return this.#watches.get(name)?.last ?? null
  }

  /** The true primary, or when there is none now, the last one. */
  get primary(): DataNodeName {
    this.#lastPrimary = this.truePrimary() ?? this.#lastPrimary
    return this.#lastPrimary
  }

  get standbys(): readonly [DataNodeName, DataNodeName] {
    return DATA_NODES.filter((name) => name !== this.primary) as unknown as [DataNodeName, DataNodeName]
  }

  /** The node that is out of recovery with the highest timeline, by its own word; `null` when there is none. */
  truePrimary(): DataNodeName | null {
    const claims = DATA_NODES.map((name) => ({ name, truth: this.truth(name) }))
      .filter(({ truth }) => truth?.inRecovery === false)
      .sort((a, b) => (b.truth?.timelineId ?? 0) - (a.truth?.timelineId ?? 0))
    return claims[0]?.name ?? null
  }

  /** Pulls the cable of a host, or plugs it in; it is in when nobody has it out. */
  setCable(name: HostName, isIn: boolean): void {
    const out = (this.#cables.get(name) ?? 0) + (isIn ? -1 : 1)
    this.#cables.set(name, out)
    if (out === 0) this.host(name).plugInAgain()
    else this.host(name).unplug()
  }

  /** On a node, past all faults of the network. */
  async query(name: NodeName, sql: string, database = 'postgres'): Promise<readonly SqlRow[]> {
    return await this.node(name).call('query', sql, database)
  }

  /** On a node, through its Unix socket. */
  async queryFinal(name: NodeName, sql: string): Promise<readonly SqlRow[]> {
    const server = { host: this.node(name).socketFolder, port: SERVER_PORT }
    return await querySql(server, sql, { database: APPLICATION_LOGIN.database, timeoutMs: 60_000 })
  }

  async waitUntilServing(name: ProxyName, node: string, timeoutMs = START_LIMIT_MS): Promise<void> {
    const proxy = this.proxy(name)
    await waitFor(`${name} to serve ${node}`, () => proxy.status(), {
      until: ({ state, primary }) => state === 'serving' && primary === node,
      timeoutMs,
      intervalMs: 100,
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message.slice(0, 500)}\n${proxy.tail}`)
    })
  }

  /** Whatever state it is in. */
  async close(): Promise<void> {
    await Promise.all([...this.#watches.values()].map((watch) => watch.stop()))
    await Promise.all([...this.proxies.values()].map((proxy) => proxy.close()))
    await Promise.all([...this.nodes.values()].map((node) => node.close()))
    await this.clientHost.close()
    this.history.close()
  }
}

async function startCluster(nodes: ReadonlyMap<NodeName, StageNode>): Promise<void> {
  const [first, ...others] = [...nodes.values()]
  if (first === undefined) throw new Error('a stage has nodes')
  await first.call('beFirstPrimary')
  const { user, database } = APPLICATION_LOGIN
  await first.call('query', `SET ROLE ${user}; ${CHAOS_TABLES_SQL}`, database)
  await Promise.all(others.map((node) => node.call(node.name === 'witness' ? 'beWitness' : 'clone', first.upstream)))
  await Promise.all([...nodes.values()].map((node) => node.call('restartDaemon')))
}

function historyFolder(folder: string): string {
  return join(folder, 'history')
}
