/**
 * The proxy in a container of the project's own image, asked over its admin port. Its state is in a volume, as in
 * production, so that a test decides whether it remembers. Test support.
 */
import { randomUUID } from 'node:crypto'
import type { StartedTestContainer } from 'testcontainers'
import { Wait } from 'testcontainers'
import { stringify } from 'yaml'
import type { SceneStatus } from '../scenarios/scene.ts'
import { waitFor } from '../support/condition.ts'
import { ClusterContainer, type Endpoint } from './cluster-container.ts'
import { containerLogs, docker } from './engine.ts'
import { IMAGES } from './images.ts'

const ADMIN_PORT = 8432

/** One line of the proxy's log. */
export interface LogRecord {
  readonly time: number | string
  readonly level: number | string
  readonly msg: string
  readonly [field: string]: unknown
}

export class DockerProxy {
  readonly #container: StartedTestContainer

  private constructor(container: StartedTestContainer) {
    this.#container = container
  }

  /** Starts a proxy and waits until its health check passes, which says nothing about a primary. `volume`: its memory. */
  static async start(options: {
    readonly endpoints: readonly Endpoint[]
    readonly config: object
    readonly volume?: string
  }): Promise<DockerProxy> {
    const volume = options.volume ?? `pgha-test-state-${randomUUID().slice(0, 8)}`
    const container = new ClusterContainer(IMAGES.proxy, options.endpoints)
      .withVolume(volume, '/var/lib/pgha-proxy')
      .withExposedPorts(ADMIN_PORT)
      .withCopyContentToContainer([{ content: stringify(options.config), target: '/etc/pgha-proxy/ha.yaml' }])
      .withStartupTimeout(30_000)
      .withWaitStrategy(Wait.forHealthCheck())
    return new DockerProxy(await container.start())
  }

  get id(): string {
    return this.#container.getId()
  }

  /** When it was away, in milliseconds of the wall clock, because a test restarted it. */
  readonly away: { readonly from: number; readonly to: number }[] = []

  /** `docker restart`, over the same state: after SIGTERM, or as after a crash. */
  async restart(how: 'stopped' | 'crashed' = 'stopped'): Promise<void> {
    const from = Date.now()
    if (how === 'crashed') await docker('kill', this.id)
    await this.#container.restart({ timeout: 20_000 })
    this.away.push({ from, to: Date.now() })
  }

  /** Ends it; its state stays. */
  async remove(): Promise<void> {
    await docker('rm', '--force', this.id)
  }

  async status(): Promise<SceneStatus> {
    const port = this.#container.getMappedPort(ADMIN_PORT)
    const answer = await fetch(`http://127.0.0.1:${port}/api/status`, { signal: AbortSignal.timeout(5_000) })
    return (await answer.json()) as SceneStatus
  }

  /** Waits until the status is as wanted. The failure tells the last status and the end of the log. */
  async waitForStatus(
    description: string,
    until: (status: SceneStatus) => boolean,
    timeoutMs = 30_000,
  ): Promise<SceneStatus> {
    return await waitFor(description, () => this.status(), { until, timeoutMs }).catch(async (error: unknown) => {
      throw new Error(`${(error as Error).message}\n${await this.tail(40)}`, { cause: error })
    })
  }

  async waitUntilServing(node: string, timeoutMs?: number): Promise<SceneStatus> {
    const isServing = ({ state, primary }: SceneStatus): boolean => state === 'serving' && primary === node
    return await this.waitForStatus(`the proxy to serve ${node}`, isServing, timeoutMs)
  }

  async waitForRole(node: string, role: string, timeoutMs?: number): Promise<SceneStatus> {
    const hasRole = ({ nodes }: SceneStatus): boolean => nodes.some((each) => each.name === node && each.role === role)
    return await this.waitForStatus(`${node} to be ${role}`, hasRole, timeoutMs)
  }

  /** What it has logged, oldest first. */
  async log(): Promise<readonly LogRecord[]> {
    const lines = (await containerLogs(this.id)).split('\n')
    return lines.flatMap((line) => {
      const text = line.slice(line.indexOf(' ') + 1)
      return text.startsWith('{') ? [JSON.parse(text) as LogRecord] : []
    })
  }

  async tail(lineCount: number): Promise<string> {
    return (await containerLogs(this.id)).split('\n').slice(-lineCount).join('\n')
  }
}
