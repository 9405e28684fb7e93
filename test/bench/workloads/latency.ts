/** Percentiles of latency at a fixed rate, well below what everybody can do, from pgbench's own log. Benchmark. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reapOnExit } from '../../support/reaper.ts'
import { fewerRounds } from '../bench-options.ts'
import { runClient } from '../command-run.ts'
import { comparisonTable, type Metric } from '../report/compare.ts'
import { takeTurns } from '../rounds.ts'
import { percentile } from '../statistics.ts'
import type { Workload } from '../workload.ts'
import { latenciesOf } from './transaction-log.ts'

const RATE = 2_000
const CLIENTS = 8
const METRICS: readonly Metric[] = [
  { key: 'p50', title: 'p50, ms', digits: 3 },
  { key: 'p90', title: 'p90, ms', digits: 3 },
  { key: 'p99', title: 'p99, ms', digits: 3 },
  { key: 'p999', title: 'p99.9, ms', digits: 3 },
]

export const latency: Workload = {
  id: 'latency',
  run: async ({ stage, options, report }) => {
    const open = await stage()
    // pgbench is run as we are, and its log need not be anybody else's.
    const folder = mkdtempSync(join(tmpdir(), 'pgha-bench-latency-'))
    const release = reapOnExit({ kind: 'folder', path: folder })
    const prefix = join(folder, 'log')
    const seconds = options.isQuick ? 2 : options.seconds + 2
    const args = ['-n', '-S', '-M', 'prepared', '-c', String(CLIENTS), '-j', '1', '-T', String(seconds)]
    const samples = await takeTurns(open.fewContenders(options.isQuick), fewerRounds(options), async (contender) => {
      await runClient('pgbench', [...args, '-R', String(RATE), '-l', `--log-prefix=${prefix}`], contender)
      const [file = ''] = readdirSync(folder)
      const values = latenciesOf(readFileSync(join(folder, file), 'utf8'))
      rmSync(join(folder, file))
      const [p50, p90, p99, p999] = [0.5, 0.9, 0.99, 0.999].map((fraction) => percentile(values, fraction))
      report(`${contender.name}: p50 ${p50?.toFixed(3)} ms, p99 ${p99?.toFixed(3)} ms of ${values.length}`)
      return { p50: p50 ?? null, p90: p90 ?? null, p99: p99 ?? null, p999: p999 ?? null }
    })
    rmSync(folder, { recursive: true })
    release()
    return {
      id: 'latency',
      title: 'Latency at a fixed rate',
      notes: [
        `pgbench -S, prepared, ${CLIENTS} clients, ${RATE.toLocaleString('en-US')} transactions per second, each counted from`,
        'the moment at which it was due, so that a pause is in the figures of all that had to wait.',
      ],
      tables: [comparisonTable('', samples, METRICS)],
      targets: [],
    }
  },
}
