/**
 * The stage of a soak: two nodes, the fronts before them, the proxy in a process of its own with the probe inside, and the
 * fleets of clients. Test support. What happens on it, and in which order, is phases.ts's; whoever opens it closes it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BUILT } from '../bench/built.ts'
import { type SceneStatus, trustApplication } from '../scenarios/scene.ts'
import { waitFor } from '../support/condition.ts'
import { freePorts } from '../support/free-port.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { type Exit, ProxyProcess } from '../support/proxy-process.ts'
import { reapOnExit } from '../support/reaper.ts'
import { APPLICATION_LOGIN, MONITOR_LOGIN } from '../support/roles.ts'
import { ClientFleet } from './client-fleet.ts'
import type { FrontRole } from './front.ts'
import { HelperProcess } from './helper-process.ts'
import { Inside, insideEnvironment } from './inside.ts'
import { ceilingOf, isBelow, type RestPoint } from './leak-rules.ts'
import { type MetricsPage, parseMetrics } from './metrics-page.ts'
import { filesNeeded, type SoakOptions } from './options.ts'
import { filesByKind, openFilesMax, processTree, sampleProcesses } from './process-sample.ts'
import type { Look } from './recorder.ts'
import type { ClientTarget } from './soak-client.ts'
import { IDLE_USER } from './wire.ts'

/** Backends of the real server beyond the busy sessions: all passing ones that may be under way, rude ones, the harness. */
const SPARE_BACKENDS = 1_200
const HOLD_TIMEOUTS = ['300s', '301s'] as const
const PASSWORD_VARIABLE = 'PGHA_SOAK_PASSWORD'
/** For whatever the proxy does within a second where it has a core of its own. */
const STEP_TIMEOUT_MS = 120_000
const REST_TIMEOUT_MS = 120_000
const LOOKS_MIN = 6

export class SoakStage {
  readonly idle = new ClientFleet('standing')
  readonly busy = new ClientFleet('standing')
  readonly passing = new ClientFleet('passing')
  readonly rude = new ClientFleet('rude')
  /** Sessions that the front answers. */
  readonly frontTarget: ClientTarget
  /** Sessions that reach a real server, where there is one. */
  readonly realTarget: ClientTarget
  readonly proxy: ProxyProcess
  readonly #cluster: PostgresCluster | null
  readonly #fronts: HelperProcess
  readonly #folder: string
  readonly #inside: Inside
  readonly #release: () => void
  readonly #patienceSeconds: number
  #primary = 'node1'
  #timelineId = 1
  #reloads = 0

  private constructor(parts: {
    readonly cluster: PostgresCluster | null
    readonly fronts: HelperProcess
    readonly folder: string
    readonly config: ProxyConfig
    readonly options: SoakOptions
    readonly release: () => void
  }) {
    const { cluster, fronts, folder, config, options, release } = parts
    this.#cluster = cluster
    this.#fronts = fronts
    this.#folder = folder
    this.#release = release
    this.#patienceSeconds = options.patienceSeconds
    const preloads = options.leaks.length > 0 ? ['./planted-leak.ts'] : []
    this.proxy = new ProxyProcess(config, {
      ...(options.program === 'dist' ? BUILT : {}),
      env: {
        ...insideEnvironment(folder, preloads),
        PGHA_SOAK_LEAK: options.leaks.join(),
        [PASSWORD_VARIABLE]: MONITOR_LOGIN.password,
      },
    })
    this.#inside = new Inside(folder)
    const target = { port: config.primaryPort, database: APPLICATION_LOGIN.database }
    this.frontTarget = { ...target, user: IDLE_USER }
    this.realTarget = { ...target, user: APPLICATION_LOGIN.user }
  }

  /** Waits until the proxy is ready. Throws when this machine cannot have that many sessions. */
  static async open(options: SoakOptions): Promise<SoakStage> {
    if (filesNeeded(options) > openFilesMax()) {
      throw new Error(
        `${options.idle} idle and ${options.busy} busy sessions take ${filesNeeded(options)} open files in one process, ` +
          `and the limit is ${openFilesMax()}: raise it (ulimit -Hn), or give fewer sessions, or --workers`,
      )
    }
    const folder = mkdtempSync(join(tmpdir(), 'pgha-soak-'))
    const release = reapOnExit({ kind: 'folder', path: folder })
    const fronts = new HelperProcess('./front-process.ts')
    let cluster: PostgresCluster | null = null
    try {
      if (options.servers === 'real') cluster = await makeCluster(options.busy)
      const ports = await freePorts(2)
      const names = ['node1', 'node2'] as const
      for (const [index, node] of names.entries()) {
        const role = { kind: index === 0 ? 'primary' : 'standby', timelineId: 1 } satisfies FrontRole
        const behind = cluster?.node(node).port ?? null
        await fronts.ask({ kind: 'add', node, options: { port: ports[index], behind, role } })
      }
      const nodes = names.map((name, index) => ({ name, host: '127.0.0.1', port: ports[index] ?? 0 }))
      const config = await writeProxyConfig(
        folder,
        { nodes, monitor: cluster?.monitor ?? MONITOR_LOGIN },
        settings(options),
      )
      const stage = new SoakStage({ cluster, fronts, folder, config, options, release })
      try {
        await stage.proxy.waitUntilReady(STEP_TIMEOUT_MS)
        await stage.#waitForRole('node2', 'standby')
      } catch (error) {
        await stage.close()
        throw error
      }
      return stage
    } catch (error) {
      await fronts.close()
      await cluster?.destroy()
      rmSync(folder, { recursive: true, force: true })
      release()
      throw error
    }
  }

  /** The proxy, and the processes that it has started. */
  get pids(): readonly number[] {
    return this.proxy.pid === undefined ? [] : processTree(this.proxy.pid)
  }

  get primary(): string {
    return this.#primary
  }

  /** Over a connection of its own, which is closed: one that is kept would be counted. Rejects when it is not answered. */
  async get(path: string): Promise<string> {
    const response = await this.#open(path)
    response.setEncoding('utf8')
    let text = ''
    for await (const piece of response) text += piece
    if (response.statusCode !== 200) throw new Error(`GET ${path} answered ${response.statusCode}: ${text}`)
    return text
  }

  /** Follows the stream behind the live page. The returned function leaves it. */
  async watch(): Promise<() => void> {
    const stream = await this.#open('/api/events')
    stream.on('error', () => {})
    stream.resume()
    return () => stream.destroy()
  }

  async status(): Promise<SceneStatus> {
    return JSON.parse(await this.get('/api/status')) as SceneStatus
  }

  async metrics(): Promise<MetricsPage> {
    return parseMetrics(await this.get('/metrics'))
  }

  /** For the recorder: never rejects. */
  async look(): Promise<Look> {
    const { pids } = this
    const inside = await this.#inside.look(pids, { settles: false }).catch(() => null)
    const startedAt = performance.now()
    const page = await this.metrics().catch(() => null)
    const scrapeMs = page === null ? null : performance.now() - startedAt
    for (const path of ['/api/status', '/api/failovers']) await this.get(path).catch(() => null)
    return { sample: sampleProcesses(pids), inside, page, scrapeMs }
  }

  /** Changes the configuration, and has it taken over. Rejects when it is not. */
  async reload(): Promise<void> {
    const { file } = this.proxy.config
    const [now = '', next = ''] = this.#reloads % 2 === 0 ? HOLD_TIMEOUTS : HOLD_TIMEOUTS.toReversed()
    this.#reloads += 1
    writeFileSync(file, readFileSync(file, 'utf8').replace(`timeout: ${now}`, `timeout: ${next}`))
    this.proxy.signal('SIGHUP')
    const done = 'pgha_config_reloads_total{result="success"}'
    await waitFor('the reload', async () => (await this.metrics()).get(done), {
      until: (count) => count === this.#reloads,
    })
  }

  /** The primary is lost with all its sessions, and the other node promoted. Resolves when the proxy follows. */
  async failOver(): Promise<void> {
    const [from, to] = [this.#primary, this.#primary === 'node1' ? 'node2' : 'node1']
    await this.#fronts.ask({ kind: 'down', node: from })
    await this.#cluster?.node(from).kill()
    this.#timelineId += 1
    this.#primary = to
    await this.#fronts.ask({ kind: 'promote', node: to, role: { kind: 'primary', timelineId: this.#timelineId } })
    if (this.#cluster !== null) {
      await this.#cluster.node(to).promote('signal')
      await this.#cluster.recordPromotion(this.#cluster.node(to))
    }
    const isServing = ({ state, primary }: SceneStatus): boolean => state === 'serving' && primary === to
    await waitFor(`${to} to be served`, () => this.status(), { until: isServing, timeoutMs: STEP_TIMEOUT_MS })
  }

  /** The node that was lost comes back as a standby. */
  async bringBack(): Promise<void> {
    const lost = this.#primary === 'node1' ? 'node2' : 'node1'
    if (this.#cluster !== null) await this.#cluster.reclone(this.#cluster.node(lost), this.#cluster.node(this.#primary))
    await this.#fronts.ask({ kind: 'up', node: lost, role: { kind: 'standby', timelineId: this.#timelineId } })
    await this.#waitForRole(lost, 'standby')
  }

  /**
   * Waits until the proxy rests, and looks at what there is. What grows and shrinks by itself (a monitoring session is
   * renewed now and then) is looked at until it is not above what it was `earlier`, or the time is over: then that is the finding.
   */
  async rest(at: Pick<RestPoint, 'cycle' | 'phase' | 'atSeconds'>, earlier: readonly RestPoint[]): Promise<RestPoint> {
    const isQuiet = ({ sessions }: SceneStatus): boolean => sessions.active === 0 && sessions.held === 0
    const wait = { timeoutMs: REST_TIMEOUT_MS, intervalMs: 50 }
    await waitFor('nobody', () => this.status(), { ...wait, until: isQuiet }).catch(() => null)
    const { active, held, ended } = (await this.status()).sessions
    const sessions = {
      sessionsEnded: Object.values(ended).reduce((sum, count) => sum + count, 0),
      endedBy: Object.fromEntries(Object.entries(ended).filter(([, count]) => count > 0)),
      sessionsActive: active,
      sessionsHeld: held,
    }
    const ceiling = ceilingOf(earlier)
    const deadline = performance.now() + 1000 * this.#patienceSeconds
    for (let looks = 1; ; looks += 1) {
      const point = { ...at, ...sessions, ...(await this.#counts()) }
      if (earlier.length === 0 || isBelow(ceiling, point)) return point
      // On a busy machine one look alone takes that long.
      if (looks >= LOOKS_MIN && performance.now() > deadline) return point
    }
  }

  /** SIGTERM to the proxy; how it ended. */
  async stopProxy(): Promise<Exit> {
    return await this.proxy.stop(STEP_TIMEOUT_MS)
  }

  async close(): Promise<void> {
    this.#inside.close()
    await Promise.all([this.idle, this.busy, this.passing, this.rude].map((fleet) => fleet.close()))
    await this.proxy.destroy()
    await this.#fronts.close()
    await this.#cluster?.destroy()
    rmSync(this.#folder, { recursive: true, force: true })
    this.#release()
  }

  /** Nothing here connects to the proxy, or the connection would be counted. */
  async #counts() {
    const { pids } = this
    const inside = await this.#inside.look(pids, { settles: true })
    const { alive, heapBytes, codeBytes, externalBytes, bufferBytes, resources } = inside
    const { rssBytes, threads } = sampleProcesses(pids)
    return {
      files: filesByKind(pids),
      threads,
      timers: alive?.timers ?? Number.NaN,
      sockets: alive?.sockets ?? Number.NaN,
      resources,
      liveBytes: heapBytes - codeBytes + externalBytes - bufferBytes,
      bufferBytes,
      rssBytes,
    }
  }

  async #waitForRole(name: string, role: string): Promise<void> {
    const hasIt = ({ nodes }: SceneStatus): boolean => nodes.some((node) => node.name === name && node.role === role)
    await waitFor(`${name} to be a ${role}`, () => this.status(), { until: hasIt, timeoutMs: STEP_TIMEOUT_MS })
  }

  async #open(path: string): Promise<IncomingMessage> {
    const url = `${this.proxy.config.adminUrl}${path}`
    return await new Promise((resolve, reject) => {
      httpGet(url, { agent: false, timeout: 10_000 }, resolve).on('error', reject)
    })
  }
}

async function makeCluster(busy: number): Promise<PostgresCluster> {
  const cluster = await createCluster({
    nodes: 2,
    repmgrTables: true,
    application: true,
    settings: { max_connections: busy + SPARE_BACKENDS, shared_buffers: '32MB', log_min_messages: 'warning' },
  })
  // What is soaked is the proxy. SCRAM would cost the servers and the clients most of the machine.
  trustApplication(cluster.nodes)
  return cluster
}

function settings({ idle, busy, workers }: SoakOptions): Readonly<Record<string, unknown>> {
  return {
    // On a machine that is full of clients and servers a late answer says nothing.
    monitor: { sslmode: 'disable', timeout: '5s', decision_ttl: '30s', password: `\${${PASSWORD_VARIABLE}}` },
    hold: { timeout: HOLD_TIMEOUTS[0], max_sessions: idle + busy + 5_000, release_rate: 2_000 },
    // The default: on a machine that is full of clients one may need seconds for its first word.
    limits: { max_sessions: idle + busy + 2_000, startup_timeout: '10s', connect_timeout: '10s' },
    shutdown: { grace: '5s' },
    log: { level: 'info' },
    ...(workers === 1 ? {} : { workers }),
  }
}
