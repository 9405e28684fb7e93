/** T3: promotions through pgha-proxy alone, from promotions.ts, and what a session costs with a password. Benchmark. */
import { benchPromotions } from '../promotions.ts'
import { showNumber } from '../report/compare.ts'
import { benchSessionSetup } from '../session-setup.ts'
import { percentile, summarize } from '../statistics.ts'
import type { Workload } from '../workload.ts'

/** From the end of recovery to the first session, over `count` kills. */
export const t3: Workload = {
  id: 't3',
  run: async ({ options, report }) => {
    const { routedMs, clientMs, refused } = await benchPromotions(options.isQuick ? 2 : options.count, report)
    const row = (name: string, values: readonly number[]): readonly string[] => [
      name,
      ...[0, 0.5, 0.99, 1].map((fraction) => showNumber(percentile(values, fraction), 1)),
    ]
    return {
      id: 't3',
      title: 'T3: from the end of recovery to the first session',
      notes: [
        `${routedMs.length} times the primary is killed and the standby promoted, ten clients waiting, default settings.`,
        'Counted from the moment at which pg_is_in_recovery() of the promoted node is first seen false.',
        `New sessions refused: ${refused}.`,
      ],
      tables: [
        {
          title: '',
          columns: ['milliseconds until', 'least', 'p50', 'p99', 'most'],
          rows: [row('the first session is routed there', routedMs), row('the first client has an answer', clientMs)],
        },
      ],
      targets: [
        { what: 'T3, p50', limit: { kind: 'at-most', value: 60 }, unit: 'ms', value: percentile(routedMs, 0.5) },
        { what: 'T3, p99', limit: { kind: 'at-most', value: 150 }, unit: 'ms', value: percentile(routedMs, 0.99) },
      ],
    }
  },
}

/** Connect, log in by SCRAM, one query, in turns with PostgreSQL directly. */
export const login: Workload = {
  id: 'login',
  run: async ({ options, report }) => {
    const { directMs, proxiedMs } = await benchSessionSetup(options.isQuick ? 20 : 500)
    report(`session setup, direct:  ${summarize(directMs, 'ms')}`)
    report(`session setup, proxied: ${summarize(proxiedMs, 'ms')}`)
    const row = (name: string, values: readonly number[]): readonly string[] => [
      name,
      ...[0.5, 0.99].map((fraction) => showNumber(percentile(values, fraction), 2)),
    ]
    const ratio = percentile(proxiedMs, 0.5) / percentile(directMs, 0.5)
    return {
      id: 'login',
      title: 'One session with a password',
      notes: [
        `${proxiedMs.length} times connect, SCRAM, one query, one client at a time, in turns.`,
        `Ratio of the medians: ${ratio.toFixed(2)}.`,
      ],
      tables: [
        {
          title: '',
          columns: ['milliseconds', 'p50', 'p99'],
          rows: [row('PostgreSQL', directMs), row('pgha-proxy', proxiedMs)],
        },
      ],
      targets: [],
    }
  },
}
