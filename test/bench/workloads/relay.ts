/** The relay alone, from relay-alone.ts, as a section of the report. Benchmark. */
import { benchRelay, type RelayBenchRow } from '../relay-alone.ts'
import { comparisonTable, type Metric, ratioTarget, type Samples } from '../report/compare.ts'
import type { Target } from '../report/section.ts'
import type { Workload } from '../workload.ts'

const LARGE_BUFFERS = 'HAProxy, 256 KiB buffers'
/** Messages as large as reads: what moves the bytes is measured, not what looks at them. */
const BULK_WITH_TARGET = /^bulk (down|up), messages of 65536 B$/

export const relay: Workload = {
  id: 'relay',
  run: async ({ options, report }) => {
    const rows = await benchRelay({
      rounds: options.rounds,
      seconds: Math.max(1, options.seconds / 2),
      bulkBytes: options.isQuick ? 50_000_000 : 1_000_000_000,
      clientCounts: options.isQuick ? [8] : [8, 64],
      report,
    })
    const byWorkload = Map.groupBy(rows, ({ workload }) => workload)
    const tables = [...byWorkload].map(([workload, each]) =>
      comparisonTable(workload, samplesOf(each), metricsOf(each)),
    )
    const targets = [...byWorkload].flatMap(([workload, each]): Target[] => {
      const direction = BULK_WITH_TARGET.exec(workload)?.[1]
      if (direction === undefined) return []
      const samples = samplesOf(each)
      const what = `bulk through the relay alone, ${direction}, against HAProxy with`
      return [
        ratioTarget(`${what} default buffers`, samples, 'rate', { kind: 'at-least', value: 1.3 }),
        ratioTarget(`${what} 256 KiB`, samples, 'rate', { kind: 'at-least', value: 0.9 }, { reference: LARGE_BUFFERS }),
      ]
    })
    if (targets.length === 0) {
      const limit = { kind: 'at-least', value: 1.3 } as const
      targets.push({
        what: 'bulk through the relay alone',
        limit,
        unit: '',
        value: null,
        missing: 'nothing to compare',
      })
    }
    return {
      id: 'relay',
      title: 'The relay alone',
      notes: [
        'No PostgreSQL: both ends of the sessions are one process that does as little as it can. Sessions of pgha-proxy',
        'from its listener to its relay; down is from the server to the client.',
        'New sessions are held first while there is a primary for 5 ms in 10 only; they are refused where there is none and',
        '`hold.timeout` is 0. As many rounds of new sessions come first that are not counted: a process that has just begun',
        'pays more. `no relay`: the client and the server of the benchmark without anything between them.',
      ],
      tables,
      targets,
    }
  },
}

function samplesOf(rows: readonly RelayBenchRow[]): Samples {
  return new Map(
    rows.map(({ relay: name, rates, cpus }) => [
      name,
      rates.map((rate, round) => ({ rate, cpu: cpus[round] ?? null })),
    ]),
  )
}

function metricsOf([row]: readonly RelayBenchRow[]): readonly Metric[] {
  return [
    { key: 'rate', title: row?.rateUnit ?? '', digits: 0 },
    { key: 'cpu', title: `CPU, ${row?.cpuUnit ?? ''}`, digits: 1 },
  ]
}
