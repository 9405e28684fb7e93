/**
 * Measures CPU per unit of work of our data plane and of the reference relay in turns, between the same two ends:
 * small exchanges, bulk, new sessions. No PostgreSQL. Benchmark support; what is started is ended by `close`.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { reapOnExit } from '../../support/reaper.ts'
import { cpuThreadsNs } from '../process-usage.ts'
import type { RelayEndsAnswer, RelayEndsOrder } from '../relay-ends.ts'

export const MEASURES = ['exchange', 'bulk', 'sessions'] as const
export type MeasureName = (typeof MEASURES)[number]

const SECONDS = 0.5
const CLIENTS = 16
/** On a busy machine little is done in a while: it is done again until so much CPU was used, or that often. */
const CPU_NS_MIN = 120_000_000
const REPEATS_MAX = 5
const BULK_BYTES = 300_000_000
/** Many messages in one read, so that finding their ends is measured too. */
const MESSAGE_BYTES = 1_024
const SESSIONS_AT_A_TIME = 8
/** Of the first exchanges of new sessions, which no figure has. */
const WARM_UP_SECONDS = 0.1

interface Program {
  readonly child: ChildProcess
  readonly pid: number
  readonly port: number
  readonly release: () => void
}

export class GuardMeasures {
  readonly #ends: Program
  readonly #own: Program
  readonly #reference: Program

  private constructor(ends: Program, own: Program, reference: Program) {
    this.#ends = ends
    this.#own = own
    this.#reference = reference
  }

  /** `slowUs` above 0: our side is made slower on purpose. */
  static async start(slowUs: number): Promise<GuardMeasures> {
    const ends = await start('../relay-ends.ts', [])
    const port = String(ends.port)
    const slow = slowUs > 0 ? ['--import', fileURLToPath(new URL('./slow-preload.ts', import.meta.url))] : []
    const [own, reference] = await Promise.all([
      start('../relay-host.ts', [port], slow, { PGHA_BENCH_SLOW_US: String(slowUs) }),
      start('./reference-relay.ts', [port]),
    ])
    return new GuardMeasures(ends, own, reference)
  }

  /** One round: CPU per unit of ours over that of the reference. `round` decides who comes first. */
  async ratio(name: MeasureName, round: number): Promise<number> {
    const measured = new Map<Program, number>()
    const order = round % 2 === 0 ? [this.#own, this.#reference] : [this.#reference, this.#own]
    for (const relay of order) measured.set(relay, await this.#measure(name, relay))
    return (measured.get(this.#own) ?? Number.NaN) / (measured.get(this.#reference) ?? Number.NaN)
  }

  async close(): Promise<void> {
    for (const { child, release } of [this.#own, this.#reference, this.#ends]) {
      const isOver = once(child, 'exit')
      child.kill('SIGKILL')
      await isOver
      release()
    }
  }

  /** Nanoseconds for each exchange, byte or session. */
  async #measure(name: MeasureName, { pid, port }: Program): Promise<number> {
    if (name === 'exchange') {
      await this.#order({ kind: 'open', port, count: CLIENTS })
      await this.#order({ kind: 'exchange', seconds: WARM_UP_SECONDS })
    } else if (name === 'bulk') await this.#order({ kind: 'open', port, count: 1 })
    const before = cpuThreadsNs(pid)
    let [count, used] = [0, 0]
    for (let repeat = 0; repeat < REPEATS_MAX && used < CPU_NS_MIN; repeat += 1) {
      count += (await this.#order(orderOf(name, port))).count
      used = cpuThreadsNs(pid) - before
    }
    await this.#order({ kind: 'close' })
    return used / count
  }

  async #order(order: RelayEndsOrder): Promise<RelayEndsAnswer> {
    const answer = once(this.#ends.child, 'message')
    this.#ends.child.send(order)
    return (await answer)[0] as RelayEndsAnswer
  }
}

function orderOf(name: MeasureName, port: number): RelayEndsOrder {
  switch (name) {
    case 'exchange':
      return { kind: 'exchange', seconds: SECONDS }
    case 'bulk':
      return { kind: 'bulk', direction: 'down', bytes: BULK_BYTES, messageBytes: MESSAGE_BYTES }
    case 'sessions':
      return { kind: 'sessions', port, seconds: SECONDS, parallel: SESSIONS_AT_A_TIME }
    default:
      return name satisfies never
  }
}

async function start(
  file: string,
  args: readonly string[],
  execArgv: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Program> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = fork(path, args, { stdio: 'inherit', execArgv: [...execArgv], env: { ...process.env, ...env } })
  const { pid } = child
  if (pid === undefined) throw new Error(`${file} could not be started`)
  const release = reapOnExit({ kind: 'process', pid })
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${file} ended before it listened`)))
  ended.catch(() => {})
  const [{ port }] = (await Promise.race([once(child, 'message'), ended])) as [{ readonly port: number }]
  return { child, pid, port, release }
}
