/** Results of failovers as a section of docs/benchmarks.md. Pure. */
import { OWN } from '../contenders/own-proxy.ts'
import { showNumber } from '../report/compare.ts'
import type { Section, Table } from '../report/section.ts'
import { percentile } from '../statistics.ts'
import type { FailoverResults } from './failover-bench.ts'
import { FAULT_WORDS, FAULTS } from './failover-faults.ts'
import type { Outage } from './outage.ts'

const COLUMNS = [
  '',
  'writes again after, ms: p50',
  'p90',
  'most',
  'not while watched',
  'longest stall, ms: p50',
  'most',
  'errors for each failover, p50',
  'of all: read-only',
]

/** `watchMs`: how long everybody was watched. */
export function failoverSection({ outages, configs }: FailoverResults, watchMs: number): Section {
  const tables = FAULTS.flatMap((fault): Table[] => {
    const byContender = outages.get(fault) ?? new Map<string, readonly Outage[]>()
    if (byContender.size === 0) return []
    const count = Math.max(...[...byContender.values()].map((each) => each.length))
    const rows = [...byContender].map(([name, each]) => rowOf(name, each))
    return [{ title: `${fault}, ${count} times: ${FAULT_WORDS[fault]}`, columns: COLUMNS, rows }]
  })
  const own = FAULTS.flatMap((fault) => [...(outages.get(fault)?.get(OWN) ?? [])])
  const files = [...configs].filter(([name]) => name !== OWN).map(([name]) => name)
  return {
    id: 'failover',
    title: 'Failovers',
    notes: [
      'A real pair of servers, and all contenders in front of it at the same time. Each has a writer that keeps its session',
      '(a write every 20 ms) and one that connects for each write (every 100 ms, also after an error), by libpq. The',
      'promotion is ordered at once, so how long somebody takes to decide on it is not in the figures; "writes again" counts',
      `from the end of recovery on the promoted node. Watched for ${watchMs / 1_000} s after that; a stall that was not over by then counts up to there. nginx and HAProxy with`,
      'pgsql-check are told before each failover which server is the primary now, as somebody would have to.',
      `Configurations: ${files.join('; ')} below.`,
    ],
    tables,
    targets: [
      {
        what: `read-only errors through pgha-proxy, ${own.length} failovers`,
        limit: { kind: 'at-most', value: 0 },
        unit: '',
        value: own.length === 0 ? null : own.reduce((sum, { readOnlyErrors }) => sum + readOnlyErrors, 0),
      },
    ],
  }
}

function rowOf(name: string, outages: readonly Outage[]): readonly string[] {
  const recovered = outages.flatMap(({ recoveredMs }) => (recoveredMs === null ? [] : [recoveredMs]))
  const stalls = outages.map(({ stallMs }) => stallMs)
  const show = (values: readonly number[], fraction: number): string =>
    values.length === 0 ? '-' : showNumber(percentile(values, fraction), 0)
  return [
    name,
    show(recovered, 0.5),
    show(recovered, 0.9),
    show(recovered, 1),
    String(outages.length - recovered.length),
    show(stalls, 0.5),
    show(stalls, 1),
    show(
      outages.map(({ errors }) => errors),
      0.5,
    ),
    String(outages.reduce((sum, { readOnlyErrors }) => sum + readOnlyErrors, 0)),
  ]
}

/** What went wrong through pgha-proxy, in a sentence each; empty when it kept what it promises. */
export function failoverFaults({ outages }: FailoverResults): readonly string[] {
  return FAULTS.flatMap((fault) => {
    const own = outages.get(fault)?.get(OWN) ?? []
    if (own.length === 0) return [`${fault}: pgha-proxy was not measured`]
    return own.flatMap(({ recoveredMs, readOnlyErrors }, index) => [
      ...(recoveredMs === null ? [`${fault} ${index + 1}: nobody wrote again through pgha-proxy`] : []),
      ...(readOnlyErrors > 0 ? [`${fault} ${index + 1}: ${readOnlyErrors} read-only errors through pgha-proxy`] : []),
    ])
  })
}
