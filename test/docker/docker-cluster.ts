/**
 * The stage of a container scenario: nodes with repmgrd, the proxy, and clients, in networks of their own; and the
 * verdict on what the clients saw. Whoever starts a cluster stops it. Test support.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../support/condition.ts'
import { type ClientOptions, DockerClients } from './docker-clients.ts'
import { DockerNode, type NodeSpec } from './docker-node.ts'
import { DockerProxy } from './docker-proxy.ts'
import { docker, LABEL_OPTION, removeOwn } from './engine.ts'
import { IMAGES, type Major } from './images.ts'
import { type Facts, judge, parseHistory, summarize, type Verdict } from './verdict.ts'

const INITDB = fileURLToPath(new URL('../../docker/initdb', import.meta.url))
/** Above those that the engine gives away first. */
const FIRST_ADDRESS = 100
/** Of the roles that docker/initdb makes. */
export const PASSWORDS = {
  POSTGRESQL_PASSWORD: 'test-postgres',
  REPMGR_PASSWORD: 'test-repmgr',
  ADMIN_USER_PASSWORD: 'test-admin',
  BEACONX_APP_PASSWORD: 'test-app',
  PGHA_MONITOR_PASSWORD: 'test-monitor',
} as const

export interface DockerClusterOptions {
  /** Data nodes: pg-0, pg-1 …; default 3. */
  readonly nodes?: 2 | 3
  /** PostgreSQL's major version; default 15. */
  readonly major?: Major
  /** Adds pg-witness. */
  readonly witness?: boolean
  /**
   * The proxy and the clients reach the nodes through a second network: so the nodes can be cut off from each other and
   * not from the proxy, and the reverse.
   */
  readonly apart?: boolean
  /** A subnet of the test's own, so that a container can be given the address of another. */
  readonly fixedAddresses?: boolean
  /** Merged into the proxy's configuration, section by section. */
  readonly proxy?: Readonly<Record<string, unknown>>
  /** `false`: without a proxy and clients at first. */
  readonly withProxy?: boolean
  readonly clients?: ClientOptions
}

export class DockerCluster {
  /** Replication, and everything else unless the proxy is apart. */
  readonly network: string
  /** Where the proxy and the clients are. */
  readonly front: string
  readonly nodes: readonly DockerNode[]
  readonly #options: DockerClusterOptions
  /** `10.a.b` for each network of the test's own subnets; empty when the engine chooses. */
  readonly #subnets = new Map<string, string>()
  readonly #proxies: DockerProxy[] = []
  #clients: DockerClients | null = null

  private constructor(options: DockerClusterOptions) {
    const id = randomUUID().slice(0, 8)
    this.#options = options
    this.network = `pgha-test-${id}`
    this.front = options.apart === true ? `${this.network}-front` : this.network
    if (options.fixedAddresses === true) {
      // Out of a range that the engine does not give away by itself.
      for (const network of new Set([this.network, this.front])) {
        this.#subnets.set(network, `10.${randomInt(200, 250)}.${randomInt(1, 250)}`)
      }
    }
    const count = options.nodes ?? 3
    const names = Array.from({ length: count }, (_, index) => `pg-${index}`)
    const partners = names.join(',')
    this.nodes = [
      ...names.map((name, index) => this.#makeNode(name, partners, FIRST_ADDRESS + index)),
      ...(options.witness === true ? [this.#makeNode('pg-witness', partners, FIRST_ADDRESS + count)] : []),
    ]
  }

  /** All nodes registered and streaming, the proxy serving pg-0, and every client with its first invoices. */
  static async start(options: DockerClusterOptions = {}): Promise<DockerCluster> {
    const cluster = new DockerCluster(options)
    await cluster.#start().catch(async (error: unknown) => {
      await cluster.stop({ hasFailed: true })
      throw error
    })
    return cluster
  }

  async #start(): Promise<void> {
    const startedAt = performance.now()
    for (const network of new Set([this.network, this.front])) await this.#createNetwork(network)
    await Promise.all(this.nodes.map((node) => node.create()))
    await this.settle('pg-0')
    if (this.#options.withProxy === false) return
    await this.startProxy()
    await this.proxy.waitUntilServing('pg-0')
    process.stderr.write(`cluster of ${this.nodes.length} and proxy up: ${seconds(performance.now() - startedAt)}\n`)
    await this.startClients()
  }

  node(name: string): DockerNode {
    const found = this.nodes.find((node) => node.name === name)
    if (found === undefined) throw new Error(`there is no ${name}`)
    return found
  }

  /** The proxy that was started last. */
  get proxy(): DockerProxy {
    const proxy = this.#proxies.at(-1)
    if (proxy === undefined) throw new Error('no proxy has been started')
    return proxy
  }

  get clients(): DockerClients {
    if (this.#clients === null) throw new Error('no clients have been started')
    return this.#clients
  }

  async startProxy(alias = 'reverse-proxy', overrides: Readonly<Record<string, unknown>> = {}): Promise<DockerProxy> {
    const config = merge(this.#proxyConfig(), this.#options.proxy ?? {}, overrides)
    const proxy = await DockerProxy.start({ endpoints: [{ network: this.front, alias }], config })
    this.#proxies.push(proxy)
    return proxy
  }

  /** They write from now on. `waitForWrites: false`: while there is no primary. */
  async startClients({ waitForWrites = true }: { readonly waitForWrites?: boolean } = {}): Promise<void> {
    const login = {
      PGHOST: 'reverse-proxy',
      PGPORT: '5432',
      PGDATABASE: 'einvoice',
      PGUSER: 'beaconx_app',
      PGPASSWORD: PASSWORDS.BEACONX_APP_PASSWORD,
    }
    const endpoint = { network: this.front, alias: 'clients' }
    this.#clients = await DockerClients.start(endpoint, login, this.#options.clients)
    if (waitForWrites) await this.#clients.waitForMore(2)
  }

  /** Waits until another node has been promoted, whichever repmgrd chose, and gives its name. */
  async successorOf(primary: string, timeoutMs = 40_000): Promise<string> {
    const others = this.#dataNodes().filter(({ name }) => name !== primary)
    const promoted = async (): Promise<string | undefined> => {
      for (const node of others) {
        const answer = await node.ask('SELECT pg_is_in_recovery()').catch(() => '')
        if (answer === 'f') return node.name
      }
      return undefined
    }
    return (await waitFor(`a successor of ${primary}`, promoted, { timeoutMs })) ?? ''
  }

  /** Waits until the other data nodes replicate from `primary`, whose own rows say so. */
  async settle(primary: string, except: readonly string[] = []): Promise<void> {
    await this.waitUntilRegistered(primary)
    const others = this.#dataNodes().filter(({ name }) => name !== primary && !except.includes(name))
    await Promise.all(others.map((node) => node.waitUntilFollowing(primary)))
  }

  /** Waits until the node's own `repmgr.nodes` says that it is the primary. */
  async waitUntilRegistered(primary: string): Promise<void> {
    await this.waitUntilRowsSay(this.node(primary), primary)
  }

  /** Waits until the node's own copy of `repmgr.nodes` names that primary. A witness copies it every 15 s at worst. */
  async waitUntilRowsSay(node: DockerNode, primary: string, timeoutMs = 40_000): Promise<void> {
    const sql = `SELECT node_name FROM repmgr.nodes WHERE type = 'primary' AND active`
    await waitFor(`the rows of ${node.name} to name ${primary}`, () => node.ask(sql), {
      until: (answer) => answer === primary,
      timeoutMs,
    })
  }

  /** Starts a primary that has nothing to do with this cluster, under a name and an address of this cluster. */
  async startStranger({ alias, address }: { readonly alias: string; readonly address: string }): Promise<DockerNode> {
    const spec = this.#nodeSpec('pg-9', 'pg-9')
    const stranger = new DockerNode({
      ...spec,
      environment: { ...spec.environment, REPMGR_PRIMARY_HOST: 'pg-9' },
      endpoints: [{ network: this.network, alias, address }],
    })
    await stranger.create('running')
    await stranger.waitUntilPrimary()
    return stranger
  }

  /** Waits until all clients have written on `primary` once more, has them finish, and judges what they saw against what `primary`, the last one, holds. */
  async verdict(primary: string): Promise<Verdict> {
    await this.clients.waitForMore(3, primary)
    const ledger = await this.clients.stop()
    const facts = await this.#facts(primary)
    const verdict = judge(ledger, facts)
    process.stderr.write(`${summarize(verdict, facts)}\n`)
    return verdict
  }

  /**
   * How long clients could not write, around `since`: until the new primary took writes, by its own log, and from then
   * until a client was told of one.
   */
  async outage(since: number, primary: string): Promise<{ readonly clusterMs: number; readonly proxyMs: number }> {
    const readyAt = await this.node(primary).lastLogged('database system is ready to accept connections')
    const { acknowledged } = await this.clients.ledger()
    const first = acknowledged.find(({ node, at }) => node === primary && at > since)
    if (readyAt === null || first === undefined) throw new Error(`${primary} has not taken over`)
    const outage = { clusterMs: readyAt - since, proxyMs: first.at - readyAt }
    process.stderr.write(
      `outage: ${seconds(outage.clusterMs)} until ${primary} took writes, then ${Math.round(outage.proxyMs)} ms\n`,
    )
    return outage
  }

  /** Removes everything that tests have made. After a failure it first shows what everybody said last. */
  async stop({ hasFailed }: { readonly hasFailed: boolean }): Promise<void> {
    if (hasFailed) await this.#tell()
    await removeOwn()
  }

  #dataNodes(): readonly DockerNode[] {
    return this.nodes.filter(({ name }) => name !== 'pg-witness')
  }

  #makeNode(name: string, partners: string, host: number): DockerNode {
    const endpoints = [...new Set([this.network, this.front])].map((network) => {
      const prefix = this.#subnets.get(network)
      return { network, alias: name, ...(prefix === undefined ? {} : { address: `${prefix}.${host}` }) }
    })
    return new DockerNode({ ...this.#nodeSpec(name, partners), endpoints })
  }

  #nodeSpec(name: string, partners: string): Omit<NodeSpec, 'endpoints'> {
    return {
      name,
      image: IMAGES.postgres[this.#options.major ?? 15],
      environment: {
        ...PASSWORDS,
        POSTGRESQL_FSYNC: 'off',
        REPMGR_NODE_NAME: name,
        REPMGR_NODE_NETWORK_NAME: name,
        REPMGR_PRIMARY_HOST: 'pg-0',
        REPMGR_PARTNER_NODES: partners,
        REPMGR_RECONNECT_ATTEMPTS: '3',
        REPMGR_RECONNECT_INTERVAL: '1',
        REPMGR_CONNECT_TIMEOUT: '2',
        REPMGR_MONITOR_INTERVAL_SECS: '1',
        ...(name === 'pg-witness' ? { REPMGR_NODE_TYPE: 'witness', REPMGR_NODE_ID: '1900' } : {}),
      },
      folders: [{ source: INITDB, target: '/docker-entrypoint-initdb.d' }],
    }
  }

  #proxyConfig(): Readonly<Record<string, unknown>> {
    return {
      listeners: [{ address: '0.0.0.0:5432', route: 'primary' }],
      nodes: this.#dataNodes().map(({ name }) => ({ name, address: `${name}:5432` })),
      monitor: { user: 'pgha', password: PASSWORDS.PGHA_MONITOR_PASSWORD, database: 'repmgr' },
      hold: { timeout: '60s' },
      admin: { address: '0.0.0.0:8432' },
      shutdown: { grace: '0s' },
    }
  }

  async #createNetwork(name: string): Promise<void> {
    const prefix = this.#subnets.get(name)
    const subnet = prefix === undefined ? [] : ['--subnet', `${prefix}.0/24`]
    await docker('network', 'create', ...LABEL_OPTION, ...subnet, name)
  }

  async #facts(primary: string): Promise<Facts> {
    const node = this.node(primary)
    const file = await node.ask('SELECT pg_walfile_name(pg_current_wal_lsn())')
    const timelineId = Number.parseInt(file.slice(0, 8), 16)
    // The first timeline has no history.
    const history = timelineId === 1 ? '' : await node.ask(`SELECT pg_read_file('pg_wal/${file.slice(0, 8)}.history')`)
    const stored = await node.ask('SELECT number FROM invoices', 'einvoice')
    const logs = (await Promise.all(this.#proxies.map((proxy) => proxy.log()))).flat()
    const acceptedAt = new Map<number, number>()
    let loginsCutShort = 0
    for (const record of logs) {
      const epoch = record['epoch'] as { timelineId: number } | undefined
      if (record.msg === 'primary accepted' && epoch !== undefined) {
        acceptedAt.set(epoch.timelineId, new Date(record.time).getTime())
      }
      if (record.msg === 'session ended' && record['reason'] === 'login-interrupted') loginsCutShort += 1
    }
    return {
      timelineId,
      forks: parseHistory(history),
      stored: new Set(stored.split('\n')),
      acceptedAt,
      loginsCutShort,
      proxyAway: this.#proxies.flatMap((proxy) => proxy.away),
    }
  }

  async #tell(): Promise<void> {
    const say = async (name: string, tail: () => Promise<string>): Promise<void> => {
      process.stderr.write(`--- ${name} ---\n${await tail().catch((error: unknown) => String(error))}\n`)
    }
    for (const proxy of this.#proxies) await say('reverse-proxy', () => proxy.tail(60))
    for (const node of this.nodes)
      await say(node.name, async () => (await node.log()).split('\n').slice(-25).join('\n'))
  }
}

function merge(...layers: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {}
  for (const [key, value] of layers.flatMap((layer) => Object.entries(layer))) {
    const before = merged[key]
    merged[key] = isSection(before) && isSection(value) ? { ...before, ...value } : value
  }
  return merged
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(2)} s`
}
