/**
 * Watches what each node really is, through its Unix socket, which no fault of the network cuts: the truth that the
 * proxies cannot see. Test support. It asks ten times a second and only writes down what it hears.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { TruthEvent } from './history.ts'
import { monotonicMs } from './history-file.ts'
import type { NodeName } from './hosts.ts'
import { readTruthRow, TRUTH_SQL } from './tables.ts'

const PACE_MS = 100
const LIMIT_MS = 1_000

type Answer = Omit<TruthEvent, 'kind' | 'at' | 'askedAt' | 'node'>

/** The watch of one node, until `stop`. */
export class TruthWatch {
  readonly #node: NodeName
  readonly #socketFolder: string
  readonly #port: number
  readonly #tell: (event: TruthEvent) => void
  readonly #done: Promise<void>
  #client: pg.Client | null = null
  #last: TruthEvent | null = null
  #isStopped = false

  constructor(node: NodeName, socketFolder: string, port: number, tell: (event: TruthEvent) => void) {
    this.#node = node
    this.#socketFolder = socketFolder
    this.#port = port
    this.#tell = tell
    this.#done = this.#run()
  }

  /** What the node said last. */
  get last(): TruthEvent | null {
    return this.#last
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const askedAt = monotonicMs()
      const seen = await this.#ask().catch((error: unknown) => this.#drop(error as Error))
      this.#last = { kind: 'truth', at: monotonicMs(), askedAt, node: this.#node, ...seen }
      this.#tell(this.#last)
      await delay(Math.max(10, PACE_MS - (monotonicMs() - askedAt)))
    }
    await this.#client?.end().catch(() => {})
  }

  async #ask(): Promise<Answer> {
    const { rows } = await within(this.#connected().then((client) => client.query(TRUTH_SQL, [this.#node])))
    return { ...readTruthRow(rows[0]), problem: null }
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client
    const client = new pg.Client({
      host: this.#socketFolder,
      port: this.#port,
      user: 'postgres',
      database: 'repmgr',
      application_name: 'truth',
      connectionTimeoutMillis: LIMIT_MS,
    })
    client.on('error', () => {})
    this.#client = client
    await client.connect()
    return client
  }

  /** The connection is of no use any more; a new one is made for the next question. */
  #drop(error: Error): Answer {
    const client = this.#client
    this.#client = null
    // A frozen server would never answer the farewell.
    ;(client as unknown as { connection: { stream: { destroy(): void } } } | null)?.connection.stream.destroy()
    const { code } = error as { readonly code?: string }
    return { inRecovery: null, timelineId: null, confirmed: null, startedAt: null, problem: code ?? error.message }
  }
}

async function within<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {})
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  return await Promise.race([work, limit]).finally(() => clearTimeout(timer))
}
