/**
 * The Laravel-style application of docker/laravel in a container: a worker that writes invoices with Laravel's own
 * database layer, and what it says of each on standard output. Test support.
 */
import type { StartedTestContainer } from 'testcontainers'
import { Wait } from 'testcontainers'
import { waitFor } from '../support/condition.ts'
import { ClusterContainer } from './cluster-container.ts'
import { containerLogs, docker } from './engine.ts'
import { IMAGES } from './images.ts'

/** One invoice, or why it was not written. */
export interface AppResult {
  readonly at: string
  readonly ok: boolean
  readonly invoice: string
  readonly inTransaction: boolean
  readonly ms: number
  /** `cluster_name` of the server that wrote it. */
  readonly server?: string
  readonly sqlstate?: string | null
  readonly error?: string
}

export class DockerApp {
  readonly #container: StartedTestContainer

  private constructor(container: StartedTestContainer) {
    this.#container = container
  }

  /** Starts it; its database is where `host` leads. Resolves once it has written an invoice. */
  static async start(options: {
    readonly network: string
    readonly host: string
    readonly password: string
  }): Promise<DockerApp> {
    const { network, host, password } = options
    const container = new ClusterContainer(IMAGES.laravel, [{ network, alias: `app-${host}` }])
      .withEnvironment({
        APP_NAME: `app-${host}`,
        DB_CONNECTION: 'pgsql',
        DB_HOST: host,
        DB_PORT: '5432',
        DB_DATABASE: 'einvoice',
        DB_USERNAME: 'beaconx_app',
        DB_PASSWORD: password,
        WRITE_INTERVAL_MS: '50',
      })
      .withStartupTimeout(30_000)
      .withWaitStrategy(Wait.forLogMessage(/"ok":true/))
    return new DockerApp(await container.start())
  }

  /** As a deployment does. */
  async restart(): Promise<void> {
    await docker('restart', '--time', '10', this.#container.getId())
  }

  /** Everything it has said, oldest first. */
  async results(): Promise<readonly AppResult[]> {
    const lines = (await containerLogs(this.#container.getId())).split('\n')
    return lines.flatMap((line) => {
      const text = line.slice(line.indexOf(' ') + 1)
      return text.startsWith('{"at"') ? [JSON.parse(text) as AppResult] : []
    })
  }

  /** Waits until it has written `count` more invoices on `server`. */
  async waitForMore(count: number, server: string, timeoutMs = 40_000): Promise<void> {
    const startAt = (await this.results()).length
    const written = async (): Promise<readonly AppResult[]> => (await this.results()).slice(startAt)
    await waitFor(`${count} more invoices of Laravel on ${server}`, written, {
      until: (seen) => seen.filter((each) => each.server === server).length >= count,
      timeoutMs,
      intervalMs: 250,
    })
  }

  /** Waits until it has failed `count` more times with this SQLSTATE. */
  async waitForErrors(count: number, sqlState: string, timeoutMs = 40_000): Promise<readonly AppResult[]> {
    const startAt = (await this.results()).length
    const failed = async (): Promise<readonly AppResult[]> =>
      (await this.results()).slice(startAt).filter(({ sqlstate }) => sqlstate === sqlState)
    return await waitFor(`${count} errors ${sqlState} of Laravel`, failed, {
      until: (seen) => seen.length >= count,
      timeoutMs,
      intervalMs: 250,
    })
  }
}
