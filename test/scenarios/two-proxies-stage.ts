/**
 * Two proxies, each on a host of its own, servers and a host for clients, all on one Ethernet. Test support.
 * The servers and the test itself are on the bridge: nobody but the proxies and their clients is ever cut off.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { waitFor } from '../support/condition.ts'
import { makeEthernet, NetworkHost } from '../support/network-host.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { reapOnExit } from '../support/reaper.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'
import { type ClientStyle, NetworkClient } from './network-clients.ts'
import type { SceneStatus } from './scene.ts'

/** The address that keepalived moves. */
export const VIRTUAL_ADDRESS = '10.77.0.100'
/** Where the servers are reached from the proxies. */
export const NODE_ADDRESSES = ['10.77.0.11', '10.77.0.12'] as const
const PROXY_PORT = 5432
const ADMIN_PORT = 8432

/** A proxy and its host. */
export class ProxyHost {
  readonly name: string
  readonly address: string
  readonly host: NetworkHost
  readonly folder: string
  readonly #config: ProxyConfig
  #proxy: ProxyProcess

  constructor(name: string, address: string, host: NetworkHost, folder: string, config: ProxyConfig) {
    this.name = name
    this.address = address
    this.host = host
    this.folder = folder
    this.#config = { ...config, adminUrl: `http://${address}:${ADMIN_PORT}` }
    this.#proxy = this.#start()
  }

  get proxy(): ProxyProcess {
    return this.#proxy
  }

  /** A new process over the same files, once the one before has ended. */
  async startAgain(): Promise<void> {
    this.#proxy = this.#start()
    await this.#proxy.waitUntilReady()
  }

  async status(): Promise<SceneStatus> {
    return (await this.#proxy.status()) as unknown as SceneStatus
  }

  /** How long the oldest of those it holds has been there; 0 when it holds nobody. */
  async oldestHeldMs(): Promise<number> {
    const { sessions } = (await (await this.#proxy.get('/api/sessions?limit=1000')).json()) as {
      readonly sessions: readonly { readonly phase: string; readonly since: string }[]
    }
    const held = sessions.filter(({ phase }) => phase === 'held').map(({ since }) => Date.now() - Date.parse(since))
    return Math.max(0, ...held)
  }

  async waitUntilServing(node: string): Promise<void> {
    await waitFor(`${this.name} to serve ${node}`, () => this.status(), {
      until: ({ state, primary }) => state === 'serving' && primary === node,
      timeoutMs: 15_000,
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.#proxy.tail(30)}`, { cause: error })
    })
  }

  /** What a power cut is for the others: silence, and then nobody. */
  async losePower(): Promise<void> {
    this.host.unplug()
    await this.#proxy.destroy()
  }

  async close(): Promise<void> {
    await this.#proxy.destroy()
    await this.host.close()
  }

  #start(): ProxyProcess {
    return new ProxyProcess(this.#config, { launcher: this.host.launcher })
  }
}

/** Everything on the Ethernet. Only inside a network of its own; one is open at a time. */
export class TwoProxies {
  readonly cluster: PostgresCluster
  readonly proxy1: ProxyHost
  readonly proxy2: ProxyHost
  readonly clientHost: NetworkHost
  readonly folder: string
  readonly #clients: NetworkClient[] = []
  readonly #release: () => void

  private constructor(
    cluster: PostgresCluster,
    proxies: readonly [ProxyHost, ProxyHost],
    clientHost: NetworkHost,
    folder: string,
  ) {
    this.cluster = cluster
    this.proxy1 = proxies[0]
    this.proxy2 = proxies[1]
    this.clientHost = clientHost
    this.folder = folder
    this.#release = reapOnExit({ kind: 'folder', path: folder })
  }

  /** node1 is the primary and both proxies serve it. Call `makeEthernet` before, once. */
  static async open(): Promise<TwoProxies> {
    const cluster = await createCluster({
      nodes: 2,
      repmgrTables: true,
      application: true,
      settings: { listen_addresses: '*', log_connections: true },
    })
    const folder = mkdtempSync(join(tmpdir(), 'pgha-two-proxies-'))
    const nodes = cluster.nodes.map((node, index) => ({
      name: node.name,
      address: `${NODE_ADDRESSES[index]}:${node.port}`,
    }))
    const makeProxy = async (name: string, address: string): Promise<ProxyHost> => {
      const own = join(folder, name)
      mkdirSync(own)
      const config = await writeProxyConfig(own, cluster, {
        listeners: [{ address: `0.0.0.0:${PROXY_PORT}` }],
        nodes,
        admin: { address: `0.0.0.0:${ADMIN_PORT}` },
      })
      return new ProxyHost(name, address, await NetworkHost.plugIn(name, `${address}/24`), own, config)
    }
    const proxies = [await makeProxy('proxy1', '10.77.0.21'), await makeProxy('proxy2', '10.77.0.22')] as const
    const clientHost = await NetworkHost.plugIn('clients', '10.77.0.31/24')
    const stage = new TwoProxies(cluster, proxies, clientHost, folder)
    try {
      await Promise.all(proxies.map((proxy) => proxy.waitUntilServing('node1')))
      return stage
    } catch (error) {
      await stage.close()
      throw error
    }
  }

  get proxies(): readonly [ProxyHost, ProxyHost] {
    return [this.proxy1, this.proxy2]
  }

  node(name: string): PostgresServer {
    return this.cluster.node(name)
  }

  /** On the clients' host; `close` stops it. */
  client(conninfo: string, style: ClientStyle): NetworkClient {
    const client = new NetworkClient(this.clientHost, conninfo, style)
    this.#clients.push(client)
    return client
  }

  async stopClients(): Promise<void> {
    await Promise.all(this.#clients.splice(0).map((client) => client.stop()))
  }

  /** Promotes, and has the promoted node's rows say so as repmgr does 1 s later. */
  async promote(name: string): Promise<void> {
    await this.node(name).promote()
    await this.cluster.recordPromotion(this.node(name))
  }

  /** The numbers of all invoices that this node has. */
  async invoices(name: string): Promise<ReadonlySet<string>> {
    const rows = await this.node(name).query('SELECT number FROM invoices', { database: APPLICATION_LOGIN.database })
    return new Set(rows.map(({ number }) => String(number)))
  }

  async close(): Promise<void> {
    await this.stopClients()
    await Promise.all(this.proxies.map((proxy) => proxy.close()))
    await this.clientHost.close()
    await this.cluster.destroy()
    rmSync(this.folder, { recursive: true, force: true })
    this.#release()
  }
}

/** Addresses of the servers, and of the test itself. */
export function makeTheEthernet(): void {
  makeEthernet(['10.77.0.1', ...NODE_ADDRESSES].map((address) => `${address}/24`))
}

/** When the application's role logged in on this server, by the server's own log, oldest first. */
export function loginTimes(server: PostgresServer): readonly string[] {
  return readFileSync(server.logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`connection authorized: user=${APPLICATION_LOGIN.user} `))
    .map((line) => line.slice(0, '2026-01-01 00:00:00.000'.length))
}
