/**
 * The stage of a scenario: a cluster of real servers, the proxy in front of it in a process of its own, and the
 * questions a test asks of both. Test support. Whoever opens a scene closes it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFailed } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { type ProxiedCluster, type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { type LogRecord, ProxyProcess } from '../support/proxy-process.ts'
import { reapOnExit } from '../support/reaper.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'

/** What `GET /api/status` answers, as far as scenarios look at it. */
export interface SceneStatus {
  readonly state: string
  readonly reason: string
  readonly primary: string | null
  readonly timelineId: number | null
  readonly nodes: readonly {
    readonly name: string
    readonly role: string
    readonly sessions: number
    readonly upstream: string | null
    readonly lastSeenMs: number | null
    readonly replayLagBytes: number | null
    readonly problem: string | null
  }[]
  readonly sessions: {
    readonly active: number
    readonly held: number
    readonly accepted: number
    readonly ended: Readonly<Record<string, number>>
  }
  readonly warnings: readonly string[]
  readonly draining: boolean
}

/** Logins are in the servers' logs, so that a test can count those that a node ever had. */
const SERVER_SETTINGS = { log_connections: true } as const

/** A proxy in front of somebody's cluster. `close` ends the proxy alone. */
export class ProxyScene {
  readonly config: ProxyConfig
  readonly folder: string
  readonly #release: () => void
  #proxy: ProxyProcess

  protected constructor(folder: string, config: ProxyConfig) {
    this.folder = folder
    this.config = config
    this.#release = reapOnExit({ kind: 'folder', path: folder })
    this.#proxy = new ProxyProcess(config)
  }

  /** Starts a proxy in front of the cluster and waits until it has proven a primary. */
  static async inFrontOf(
    cluster: ProxiedCluster,
    overrides: Readonly<Record<string, unknown>> = {},
  ): Promise<ProxyScene> {
    const folder = mkdtempSync(join(tmpdir(), 'pgha-scene-'))
    const scene = new ProxyScene(folder, await writeProxyConfig(folder, cluster, overrides))
    await scene.proxy.waitUntilReady().catch(async (error: unknown) => {
      await scene.close()
      throw error
    })
    return scene
  }

  get proxy(): ProxyProcess {
    return this.#proxy
  }

  /** Where clients that write connect to. */
  get target(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.config.primaryPort }
  }

  /** Starts the proxy again, over the same files, once the one before has ended. */
  startProxyAgain(): void {
    if (this.#proxy.isRunning) throw new Error('the proxy still runs')
    this.#proxy = new ProxyProcess(this.config)
  }

  async status(): Promise<SceneStatus> {
    return (await this.#proxy.status()) as unknown as SceneStatus
  }

  /** Waits until the status is as wanted. The failure tells the last status and the end of the log. */
  async waitForStatus(
    description: string,
    until: (status: SceneStatus) => boolean,
    timeoutMs = 15_000,
  ): Promise<SceneStatus> {
    return await waitFor(description, () => this.status(), { until, timeoutMs, intervalMs: 10 }).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}\n${this.#proxy.tail(40)}`, { cause: error })
      },
    )
  }

  async waitUntilServing(node: string): Promise<SceneStatus> {
    return await this.waitForStatus(
      `${node} to be served`,
      ({ state, primary }) => state === 'serving' && primary === node,
    )
  }

  async waitForRole(node: string, role: string): Promise<SceneStatus> {
    return await this.waitForStatus(`${node} to be ${role}`, ({ nodes }) =>
      nodes.some((each) => each.name === node && each.role === role),
    )
  }

  /** Waits until a probe of the node succeeds after one that failed, both from index `since` of the log on. */
  async waitUntilBack(node: string, since: number): Promise<void> {
    const isBack = (record: LogRecord) => record.msg === 'node answers again' && record['node'] === node
    await this.#proxy.waitForLog(`${node} to be back`, isBack, { since })
  }

  async waitUntilHeld(count: number): Promise<SceneStatus> {
    return await this.waitForStatus(`${count} sessions to be held`, ({ sessions }) => sessions.held === count)
  }

  /** How many sessions ended for this reason since the proxy was started. */
  async endedCount(reason: string): Promise<number> {
    return (await this.status()).sessions.ended[reason] ?? 0
  }

  /** The decisions in the log, oldest first; from index `since` of the log on. */
  decisions(since = 0): readonly LogRecord[] {
    return this.#proxy.log.slice(since).filter((record) => record.msg === 'decision')
  }

  /** Ends the proxy and removes its folder. May be called again. */
  async close(): Promise<void> {
    await this.#proxy.destroy()
    rmSync(this.folder, { recursive: true, force: true })
    this.#release()
  }
}

/** What to put on the stage. */
export interface SceneOptions {
  readonly nodes: number
  /** Of the proxy, merged into its configuration file. */
  readonly proxy?: Readonly<Record<string, unknown>>
  /** Of every server. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** Default `true`: the imitation of repmgr's tables. */
  readonly repmgrTables?: boolean
  /**
   * Default `true`. `false`: the application's role is trusted. A server that dies in the middle of a log-in with a
   * password takes that log-in with it; without one, the proxy takes it elsewhere and the client notices nothing.
   */
  readonly passwords?: boolean
}

/** Servers as hand-made clusters have them, the application's database included, and a proxy. */
export class Scene extends ProxyScene {
  readonly cluster: PostgresCluster

  private constructor(cluster: PostgresCluster, folder: string, config: ProxyConfig) {
    super(folder, config)
    this.cluster = cluster
  }

  /** Waits until `node1` is proven to be the primary. */
  static async open(options: SceneOptions): Promise<Scene> {
    const cluster = await createCluster({
      nodes: options.nodes,
      repmgrTables: options.repmgrTables ?? true,
      application: true,
      settings: { ...SERVER_SETTINGS, ...options.settings },
    })
    if (options.passwords === false) trustApplication(cluster.nodes)
    const folder = mkdtempSync(join(tmpdir(), 'pgha-scene-'))
    const scene = new Scene(cluster, folder, await writeProxyConfig(folder, cluster, options.proxy))
    await scene.waitUntilServing('node1').catch(async (error: unknown) => {
      await scene.close()
      throw error
    })
    return scene
  }

  node(name: string): PostgresServer {
    return this.cluster.node(name)
  }

  /** Promotes, and has the promoted node's rows say so as repmgr does 1 s later. */
  async promote(name: string): Promise<void> {
    await this.node(name).promote()
    await this.cluster.recordPromotion(this.node(name))
  }

  override async close(): Promise<void> {
    await super.close()
    await this.cluster.destroy()
  }
}

/** Lets the application's role in without a password. */
export function trustApplication(servers: readonly PostgresServer[]): void {
  for (const server of servers) {
    server.setHbaLines([`host ${APPLICATION_LOGIN.database} ${APPLICATION_LOGIN.user} all trust`])
    server.reload()
  }
}

/** How often the application's role has ever logged in on this server, by the server's own log. */
export function loginCount(server: PostgresServer, user = APPLICATION_LOGIN.user): number {
  const line = `connection authorized: user=${user} `
  return readFileSync(server.logFile, 'utf8').split(line).length - 1
}

/** Has the failure of the current test show what the proxy said last. Call at the start of a test. */
export function tellOnFailure(scene: () => ProxyScene | undefined): void {
  onTestFailed(() => {
    const tail = scene()?.proxy.tail(60)
    if (tail !== undefined) process.stderr.write(`the proxy's last words:\n${tail}\n`)
  })
}
