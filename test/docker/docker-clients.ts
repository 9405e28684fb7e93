/**
 * The client container as a test sees it: many writers inside the cluster's network, and what they say. Test support.
 */
import { fileURLToPath } from 'node:url'
import type { StartedTestContainer } from 'testcontainers'
import { Wait } from 'testcontainers'
import { waitFor } from '../support/condition.ts'
import type { Ledger, Progress } from './client/ledger.ts'
import { ClusterContainer, type Endpoint } from './cluster-container.ts'
import { IMAGES } from './images.ts'

const PORT = 8080
/** Where `pg` is found by a program of the proxy's image. */
const FOLDER = '/opt/pgha-proxy/client'
const FILES = ['main.ts', 'writer.ts', 'ledger.ts']

export interface ClientOptions {
  /** Sessions that stay, and sessions for one invoice each. Default 8 and 4. */
  readonly long?: number
  readonly fresh?: number
}

export class DockerClients {
  readonly #container: StartedTestContainer

  private constructor(container: StartedTestContainer) {
    this.#container = container
  }

  /** Starts them; they write from now on. */
  static async start(
    endpoint: Endpoint,
    login: Readonly<Record<string, string>>,
    { long = 8, fresh = 4 }: ClientOptions = {},
  ): Promise<DockerClients> {
    const container = new ClusterContainer(IMAGES.proxy, [endpoint])
      .withEntrypoint(['node'])
      .withCommand([`${FOLDER}/main.ts`])
      .withCopyFilesToContainer(
        FILES.map((file) => ({
          source: fileURLToPath(new URL(`client/${file}`, import.meta.url)),
          target: `${FOLDER}/${file}`,
        })),
      )
      .withEnvironment({
        ...login,
        // Names of clients, and so numbers of invoices, are never used twice.
        NAME: endpoint.alias,
        LONG: String(long),
        FRESH: String(fresh),
        LONG_PACE_MS: '20',
        FRESH_PACE_MS: '100',
      })
      .withoutHealthCheck()
      .withExposedPorts(PORT)
      .withStartupTimeout(30_000)
      .withWaitStrategy(Wait.forListeningPorts())
    return new DockerClients(await container.start())
  }

  /** Waits until every client has `count` more invoices acknowledged, by `node` if that is given. */
  async waitForMore(count: number, node?: string, timeoutMs = 40_000): Promise<void> {
    const done = (progress: Progress): Record<string, number> =>
      Object.fromEntries(
        Object.entries(progress).map(([client, { acknowledged }]) => {
          const all = Object.entries(acknowledged).filter(([name]) => node === undefined || name === node)
          return [client, all.reduce((sum, [, each]) => sum + each, 0)]
        }),
      )
    const before = done(await this.#progress())
    let last: Progress = {}
    const isThere = async (): Promise<boolean> => {
      last = await this.#progress()
      return Object.entries(done(last)).every(([client, now]) => now >= (before[client] ?? 0) + count)
    }
    await waitFor(`${count} more invoices of every client${node === undefined ? '' : ` on ${node}`}`, isThere, {
      timeoutMs,
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; the clients: ${JSON.stringify(last)}`, { cause: error })
    })
  }

  /** What they have seen so far, while they go on. */
  async ledger(): Promise<Ledger> {
    return (await this.#ask('GET', '/ledger')) as Ledger
  }

  /** Has them finish, and gives everything they have seen. */
  async stop(): Promise<Ledger> {
    return (await this.#ask('POST', '/stop')) as Ledger
  }

  async #progress(): Promise<Progress> {
    return (await this.#ask('GET', '/progress')) as Progress
  }

  async #ask(method: 'GET' | 'POST', path: string): Promise<unknown> {
    const url = `http://127.0.0.1:${this.#container.getMappedPort(PORT)}${path}`
    const answer = await fetch(url, { method, signal: AbortSignal.timeout(60_000) })
    if (!answer.ok) throw new Error(`the clients answer ${answer.status} to ${path}`)
    return await answer.json()
  }
}
