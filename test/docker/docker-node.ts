/**
 * One node of a container cluster: PostgreSQL with repmgrd under its name, and everything that can happen to it, in
 * docker's own words. Its data are in a volume, so that it can be made anew with other settings. Test support.
 */
import { randomUUID } from 'node:crypto'
import type { StartedTestContainer } from 'testcontainers'
import { Wait } from 'testcontainers'
import { waitFor } from '../support/condition.ts'
import { ClusterContainer, connectTo, disconnectFrom, type Endpoint } from './cluster-container.ts'
import { containerLogs, docker } from './engine.ts'

/** How one node is made. */
export interface NodeSpec {
  readonly name: string
  readonly image: string
  readonly environment: Readonly<Record<string, string>>
  readonly endpoints: readonly Endpoint[]
  /** Folders to copy, by where they go. */
  readonly folders: readonly { readonly source: string; readonly target: string }[]
}

const DATA = '/var/lib/postgresql'
const START_TIMEOUT_MS = 90_000
/** What a node that does not start has to say about it comes first. */
const START_LOG_LENGTH_MAX = 8_000

export class DockerNode {
  readonly name: string
  readonly #volume: string
  #spec: NodeSpec
  #container: StartedTestContainer | null = null

  constructor(spec: NodeSpec) {
    this.name = spec.name
    this.#spec = spec
    this.#volume = `pgha-test-${spec.name}-${randomUUID().slice(0, 8)}`
  }

  /** Makes the container and waits until it is healthy, which means registered as well; or only until it runs. */
  async create(until: 'healthy' | 'running' = 'healthy'): Promise<void> {
    const { image, environment, endpoints, folders } = this.#spec
    let said = ''
    const container = new ClusterContainer(image, endpoints)
      .withVolume(this.#volume, DATA)
      .withEnvironment({ ...environment })
      .withCopyDirectoriesToContainer([...folders])
      .withStartupTimeout(START_TIMEOUT_MS)
      .withLogConsumer((stream) => {
        stream.on('data', (line: string | Buffer) => {
          if (said.length < START_LOG_LENGTH_MAX) said += line.toString()
        })
        stream.on('error', () => undefined)
      })
      .withWaitStrategy(until === 'healthy' ? Wait.forHealthCheck() : Wait.forLogMessage(/\S/))
    try {
      this.#container = await container.start()
    } catch (error) {
      throw new Error(`${this.name} does not start: ${(error as Error).message}\n${said}`, { cause: error })
    }
  }

  get id(): string {
    if (this.#container === null) throw new Error(`${this.name} has no container`)
    return this.#container.getId()
  }

  /** As a power cut: every process gets SIGKILL. */
  async kill(): Promise<void> {
    await docker('kill', this.id)
  }

  /** As an operator does: `docker stop`. */
  async stop(): Promise<void> {
    await docker('stop', '--time', '60', this.id)
  }

  /** The container that was killed or stopped, with its own data, settings and nothing told. */
  async start(): Promise<void> {
    await docker('start', this.id)
  }

  /** Its host freezes: TCP goes on accepting, and nothing answers. */
  async pause(): Promise<void> {
    await docker('pause', this.id)
  }

  async unpause(): Promise<void> {
    await docker('unpause', this.id)
  }

  /** Cut off from a network, by default its first; open connections are not told. */
  async disconnect(network = this.#endpoint().network): Promise<void> {
    await disconnectFrom(network, this.id)
  }

  async connect(network = this.#endpoint().network): Promise<void> {
    await connectTo(this.#endpoint(network), this.id)
  }

  /** Ends the container and makes it anew over the same data, with other settings or addresses. */
  async recreate(
    changes: {
      readonly environment?: Readonly<Record<string, string>>
      readonly endpoints?: readonly Endpoint[]
      readonly until?: 'healthy' | 'running'
    } = {},
  ): Promise<void> {
    // Not --volumes: the data stay.
    await docker('rm', '--force', this.id)
    this.#container = null
    this.#spec = {
      ...this.#spec,
      environment: { ...this.#spec.environment, ...changes.environment },
      endpoints: changes.endpoints ?? this.#spec.endpoints,
    }
    await this.create(changes.until)
  }

  /** Runs a program in the container; rejects when its exit code is not 0. */
  async exec(...command: readonly string[]): Promise<string> {
    return await docker('exec', this.id, ...command)
  }

  /** Asks the server over its own socket, as superuser: one value, or lines of values with `|` between them. */
  async ask(sql: string, database = 'repmgr'): Promise<string> {
    const answer = await this.exec(
      'psql',
      '-XAtq',
      '-v',
      'ON_ERROR_STOP=1',
      '-U',
      'postgres',
      '-d',
      database,
      '-c',
      sql,
    )
    return answer.trimEnd()
  }

  /** Its address in its first network. */
  async address(): Promise<string> {
    const { network } = this.#endpoint()
    const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`
    return (await docker('inspect', '--format', format, this.id)).trim()
  }

  /** Waits until the server answers, whatever role it then has. */
  async waitUntilUp(timeoutMs = 30_000): Promise<void> {
    await waitFor(`${this.name} to answer`, () => this.ask('SELECT 1'), { timeoutMs })
  }

  async waitUntilPrimary(timeoutMs = 40_000): Promise<void> {
    await waitFor(`${this.name} to leave recovery`, () => this.ask('SELECT pg_is_in_recovery()'), {
      until: (answer) => answer === 'f',
      timeoutMs,
    })
  }

  /** Waits until it replicates from `upstream`. */
  async waitUntilFollowing(upstream: string, timeoutMs = 60_000): Promise<void> {
    const sql = `SELECT status || ' ' || sender_host FROM pg_stat_wal_receiver`
    await waitFor(`${this.name} to follow ${upstream}`, () => this.ask(sql), {
      until: (answer) => answer === `streaming ${upstream}`,
      timeoutMs,
    })
  }

  /** What it has logged, PostgreSQL, repmgrd and entrypoint together, each line after the engine's time. */
  async log(): Promise<string> {
    return await containerLogs(this.id)
  }

  /** How often the application's role has ever logged in here, by the server's own log. */
  async loginCount(): Promise<number> {
    return await this.loginsSince(0)
  }

  /**
   * The same for connections made after a moment of the wall clock. By when they were made, not by when they logged in:
   * what was on its way to a node that froze or was cut off still arrives when that is over.
   */
  async loginsSince(sinceMs: number): Promise<number> {
    const madeAt = new Map<string, number>()
    let count = 0
    for (const line of (await this.log()).split('\n')) {
      const pid = /\[(\d+)\]/.exec(line)?.[1] ?? ''
      if (line.includes('connection received: ')) madeAt.set(pid, Date.parse(line.slice(0, line.indexOf(' '))))
      const isLogin = line.includes('connection authorized: user=beaconx_app ')
      if (isLogin && (madeAt.get(pid) ?? Number.POSITIVE_INFINITY) > sinceMs) count += 1
    }
    return count
  }

  /** When the engine saw a line of the log for the last time, in milliseconds of the wall clock; `null`: never. */
  async lastLogged(words: string): Promise<number | null> {
    const line = (await this.log()).split('\n').findLast((each) => each.includes(words))
    return line === undefined ? null : Date.parse(line.slice(0, line.indexOf(' ')))
  }

  #endpoint(network?: string): Endpoint {
    const { endpoints } = this.#spec
    const found = network === undefined ? endpoints[0] : endpoints.find((endpoint) => endpoint.network === network)
    if (found === undefined) throw new Error(`${this.name} is in no network ${network ?? ''}`)
    return found
  }
}
