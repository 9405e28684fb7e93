/**
 * The stage of a container scenario: nodes with repmgrd, the proxy, and clients, in networks of their own; and the
 * verdict on what the clients saw. Whoever starts a cluster stops it. Test support.
 */
import { waitFor } from '../support/condition.ts'
import type { Ledger } from './client/ledger.ts'
import { gatherFacts } from './cluster-facts.ts'
import { ClusterPlan, type DockerClusterOptions, WITNESS } from './cluster-plan.ts'
import { DockerClients } from './docker-clients.ts'
import { DockerNode } from './docker-node.ts'
import { DockerProxy } from './docker-proxy.ts'
import { docker, LABEL_OPTION, removeOwn } from './engine.ts'
import { judge, summarize, type Verdict } from './verdict.ts'

export class DockerCluster {
  readonly plan: ClusterPlan
  readonly nodes: readonly DockerNode[]
  readonly #proxies: DockerProxy[] = []
  readonly #clients: DockerClients[] = []

  private constructor(options: DockerClusterOptions) {
    this.plan = new ClusterPlan(options)
    this.nodes = this.plan.nodeNames.map((name) => new DockerNode(this.plan.nodeSpec(name)))
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
    for (const network of this.plan.networks) await this.#createNetwork(network)
    await Promise.all(this.nodes.map((node) => node.create()))
    await this.settle('pg-0')
    if (this.plan.options.withProxy === false) return
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

  /** The clients that were started first. */
  get clients(): DockerClients {
    const [first] = this.#clients
    if (first === undefined) throw new Error('no clients have been started')
    return first
  }

  async startProxy(alias = 'reverse-proxy', overrides: Readonly<Record<string, unknown>> = {}): Promise<DockerProxy> {
    const config = this.plan.proxyConfig(overrides)
    const proxy = await DockerProxy.start({ endpoints: [{ network: this.plan.front, alias }], config })
    this.#proxies.push(proxy)
    return proxy
  }

  /** More of them, which write from now on. `waitForWrites: false`: while there is no primary. */
  async startClients({ waitForWrites = true }: { readonly waitForWrites?: boolean } = {}): Promise<void> {
    const endpoint = { network: this.plan.front, alias: `clients${this.#clients.length}` }
    const clients = await DockerClients.start(endpoint, this.plan.clientLogin(), this.plan.options.clients)
    this.#clients.push(clients)
    if (waitForWrites) await clients.waitForMore(2)
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
    const witness = this.nodes.find(({ name }) => name === WITNESS)
    if (witness === undefined) return
    // It copies the rows every 15 s; one that does not know a node yet cannot follow when that one is promoted.
    const count = this.nodes.length
    await waitFor('the witness to know all nodes', () => witness.ask('SELECT count(*) FROM repmgr.nodes'), {
      until: (seen) => Number(seen) === count,
      timeoutMs: 40_000,
    })
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
  async startStranger(as: { readonly alias: string; readonly address: string }): Promise<DockerNode> {
    const stranger = new DockerNode(this.plan.strangerSpec(as))
    await stranger.create('running')
    await stranger.waitUntilPrimary()
    return stranger
  }

  /**
   * Waits until all clients have written on `primary`, the last one, once more; has them finish; and judges what they saw
   * against what it holds.
   */
  async verdict(primary: string): Promise<Verdict> {
    for (const clients of this.#clients) await clients.waitForMore(3, primary)
    const ledgers = await Promise.all(this.#clients.map((clients) => clients.stop()))
    const ledger: Ledger = {
      acknowledged: ledgers.flatMap(({ acknowledged }) => acknowledged),
      errors: ledgers.flatMap(({ errors }) => errors),
    }
    const facts = await gatherFacts(this.node(primary), this.#proxies)
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
    return this.nodes.filter(({ name }) => name !== WITNESS)
  }

  async #createNetwork(name: string): Promise<void> {
    const subnet = this.plan.subnetOf(name)
    await docker('network', 'create', ...LABEL_OPTION, ...(subnet === null ? [] : ['--subnet', subnet]), name)
  }

  async #tell(): Promise<void> {
    const say = async (name: string, tail: () => Promise<string>): Promise<void> => {
      process.stderr.write(`--- ${name} ---\n${await tail().catch((error: unknown) => String(error))}\n`)
    }
    for (const proxy of this.#proxies) await say('reverse-proxy', () => proxy.tail(60))
    for (const node of this.nodes)
      await say(node.name, async () => (await node.log()).split('\n').filter(isTelling).slice(-40).join('\n'))
  }
}

/** Of a server's log: not one of the lines that every session and every checkpoint leave. */
function isTelling(line: string): boolean {
  return !/ LOG: +(dis)?connection|checkpoint|unable to ping|PQping/.test(line)
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(2)} s`
}
