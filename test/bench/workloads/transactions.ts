/**
 * Transactions of pgbench: -S in every mode of the protocol and with few and many clients, TPC-B-like, wide results, and
 * a session for each transaction. Benchmark.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { APPLICATION_LOGIN } from '../../support/roles.ts'
import { fewerRounds } from '../bench-options.ts'
import { FLOOR } from '../contenders/floor.ts'
import { type PgbenchFigures, runPgbench } from '../pgbench.ts'
import { comparisonTable, type Metric, ratioTarget, type Samples } from '../report/compare.ts'
import type { Target } from '../report/section.ts'
import { takeTurns } from '../rounds.ts'
import type { BenchContext, Workload } from '../workload.ts'

const METRICS: readonly Metric[] = [
  { key: 'tps', title: 'transactions/s', digits: 0 },
  { key: 'cpuUs', title: 'CPU of the proxy, µs each', digits: 1 },
]
const SESSION_METRICS: readonly Metric[] = [
  { key: 'tps', title: 'sessions/s', digits: 0 },
  { key: 'cpuUs', title: 'CPU of the proxy, µs each', digits: 0 },
]

const FLOOR_NOTE =
  `${FLOOR}: two sockets of Node, one shared buffer to read into, and nothing else (test/bench/floor-relay.ts): no proxy ` +
  'in Node without native code can cost less.'

interface CompareOptions {
  readonly rounds: number
  readonly hasFloor?: boolean
  /** Of each contender, before the first round. */
  readonly runInSeconds?: number
}

/** All contenders in turns with the same arguments. */
async function compare(
  context: BenchContext,
  args: readonly string[],
  { rounds, hasFloor = false, runInSeconds = 0 }: CompareOptions,
): Promise<Samples> {
  const { options, report } = context
  const stage = await context.stage()
  // One workload with all of them shows that they can be started.
  const usual = stage.fewContenders(options.isQuick && !args.includes('-S'))
  const contenders = hasFloor ? [...usual, stage.floor] : usual
  for (const contender of runInSeconds === 0 ? [] : contenders)
    await runPgbench({ contender, args, seconds: runInSeconds })
  return await takeTurns(contenders, rounds, async (contender) => {
    const figures = await runPgbench({ contender, args, seconds: options.seconds, warmUpSeconds: warmUpSeconds(args) })
    report(`${contender.name}: ${describe(figures)}`)
    return { ...figures }
  })
}

/** Clients log in while pgbench's time runs already, and four hundred need more than a second. */
function warmUpSeconds(args: readonly string[]): number {
  return Math.floor(Number(args[args.indexOf('-c') + 1]) / 200) + 1
}

/** For the one who waits. */
export function describe({ tps, cpuUs, latencyMs }: PgbenchFigures): string {
  const cpu = cpuUs === null ? '' : `, CPU ${cpuUs.toFixed(1)} µs`
  return `${tps.toFixed(0)}/s, ${latencyMs.toFixed(2)} ms${cpu}`
}

const clientsArgs = (clients: number): readonly string[] => ['-c', String(clients), '-j', '1']

/** The modes and counts; those with a target have all rounds. */
export const select: Workload = {
  id: 'select',
  run: async (context) => {
    const tables = []
    const targets: Target[] = []
    for (const mode of context.options.isQuick ? ['prepared'] : ['prepared', 'extended', 'simple']) {
      for (const clients of context.options.isQuick ? [8] : [8, 64, 400]) {
        const hasTarget = mode === 'prepared' && clients < 400
        context.report(`-S ${mode}, ${clients} clients`)
        const rounds = hasTarget ? context.options.rounds : fewerRounds(context.options)
        const samples = await compare(context, ['-S', '-M', mode, ...clientsArgs(clients)], {
          rounds,
          hasFloor: hasTarget,
        })
        tables.push(comparisonTable(`${mode}, ${clients} clients`, samples, METRICS))
        if (!hasTarget) continue
        const what = `-S prepared, ${clients} clients, against HAProxy:`
        const [cpu, throughput] = clients === 8 ? [1.1, 0.97] : [1.15, 0.9]
        targets.push(
          ratioTarget(`${what} CPU per transaction`, samples, 'cpuUs', { kind: 'at-most', value: cpu }),
          ratioTarget(`${what} throughput`, samples, 'tps', { kind: 'at-least', value: throughput }),
        )
      }
    }
    const notes = [
      'pgbench -S with one thread; one row by its key.',
      'The first second of each run is not counted, with 400 clients the first three.',
      FLOOR_NOTE,
    ]
    return { id: 'select', title: 'One row by its key', notes, tables, targets }
  },
}

export const tpcb: Workload = {
  id: 'tpcb',
  run: async (context) => {
    const samples = await compare(context, ['-M', 'prepared', ...clientsArgs(8)], {
      rounds: fewerRounds(context.options),
    })
    const notes = ["pgbench's own script: five statements and a transaction around them, prepared, 8 clients."]
    const tables = [comparisonTable('', samples, METRICS)]
    return { id: 'tpcb', title: 'TPC-B-like', notes, tables, targets: [] }
  },
}

const WIDE_COLUMNS = 50
const WIDE_ROWS = 100

export const wide: Workload = {
  id: 'wide',
  run: async (context) => {
    const stage = await context.stage()
    const columns = Array.from({ length: WIDE_COLUMNS }, (_, index) => `md5((i * ${index + 1})::text) AS c${index}`)
    const sql = `DROP TABLE IF EXISTS bench_wide;
      CREATE TABLE bench_wide AS SELECT ${columns.join(', ')} FROM generate_series(1, ${WIDE_ROWS}) AS i;
      GRANT SELECT ON bench_wide TO ${APPLICATION_LOGIN.user}`
    await stage.node.query(sql, { database: APPLICATION_LOGIN.database })
    const script = join(stage.folder, 'wide.sql')
    writeFileSync(script, 'SELECT * FROM bench_wide;\n')
    const args = ['-f', script, '-M', 'prepared', ...clientsArgs(8)]
    const samples = await compare(context, args, { rounds: fewerRounds(context.options) })
    rmSync(script)
    const kib = Math.round((WIDE_COLUMNS * WIDE_ROWS * 36) / 1024)
    const notes = [`${WIDE_ROWS} rows of ${WIDE_COLUMNS} texts, about ${kib} KiB for each transaction, 8 clients.`]
    const tables = [comparisonTable('', samples, METRICS)]
    return { id: 'wide', title: 'Wide results', notes, tables, targets: [] }
  },
}

/** Some five thousand sessions: by then Node has compiled what they need. */
const RUN_IN_SECONDS = 15

export const connect: Workload = {
  id: 'connect',
  run: async (context) => {
    const runInSeconds = context.options.isQuick ? 1 : RUN_IN_SECONDS
    const samples = await compare(context, ['-S', '-C', ...clientsArgs(8)], {
      rounds: context.options.rounds,
      hasFloor: true,
      runInSeconds,
    })
    const what = 'new sessions (-C) against HAProxy:'
    return {
      id: 'connect',
      title: 'A session for each transaction',
      notes: [
        'pgbench -S -C, 8 clients, without passwords: SCRAM costs PostgreSQL so much that the proxies would not be seen.',
        'PgBouncer keeps its sessions with the server (DISCARD ALL between two clients), so PostgreSQL forks no process.',
        `Each contender ran for ${runInSeconds} s before the first round: a process that has just begun pays more.`,
        FLOOR_NOTE,
      ],
      tables: [comparisonTable('', samples, SESSION_METRICS)],
      targets: [
        ratioTarget(`${what} sessions per second`, samples, 'tps', { kind: 'at-least', value: 0.95 }),
        ratioTarget(`${what} CPU per session`, samples, 'cpuUs', { kind: 'at-most', value: 1.35 }),
      ],
    }
  },
}
