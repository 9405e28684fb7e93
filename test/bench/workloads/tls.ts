/** TLS passed through and TLS ended by the proxy: what a transaction costs over sessions that last. Benchmark. */
import { fewerRounds } from '../bench-options.ts'
import type { Contender, TlsWay } from '../contenders/contender.ts'
import { OWN } from '../contenders/own-proxy.ts'
import { runPgbench } from '../pgbench.ts'
import { comparisonTable, type Metric } from '../report/compare.ts'
import { takeTurns } from '../rounds.ts'
import type { Workload } from '../workload.ts'
import { describe } from './transactions.ts'

const METRICS: readonly Metric[] = [
  { key: 'tps', title: 'transactions/s', digits: 0 },
  { key: 'cpuUs', title: 'CPU of the proxy, µs each', digits: 1 },
]

export const tls: Workload = {
  id: 'tls',
  run: async ({ stage, options, report }) => {
    const all = (await stage()).contenders()
    const measure = async (
      kind: TlsWay['kind'],
      ways: readonly (Contender & { readonly way: Contender['target'] })[],
    ) => {
      report(`TLS ${kind}`)
      return await takeTurns(ways, fewerRounds(options), async (contender) => {
        const figures = await runPgbench({
          contender,
          target: contender.way,
          args: ['-S', '-M', 'prepared', '-c', '8', '-j', '1'],
          seconds: options.seconds,
          env: { PGSSLMODE: 'require' },
        })
        report(`${contender.name}: ${describe(figures)}`)
        return { ...figures }
      })
    }
    // The plain listener of pgha-proxy passes TLS through; it has a second one, which ends it.
    const through = all.flatMap((contender) => {
      if (contender.name !== OWN && contender.tls?.kind !== 'passed through') return []
      return [{ ...contender, way: contender.target }]
    })
    const ended = all.flatMap((contender) =>
      contender.tls?.kind === 'terminated' ? [{ ...contender, way: contender.tls.target }] : [],
    )
    const passed = await measure('passed through', through)
    const terminated = await measure('terminated', ended)
    return {
      id: 'tls',
      title: 'TLS',
      notes: [
        'pgbench -S, prepared, 8 clients, sslmode=require.',
        "HAProxy and nginx cannot end TLS of PostgreSQL's kind, which begins with an SSLRequest; PgBouncer always ends it.",
        'Behind a proxy that ended TLS the bytes go plain to the server.',
      ],
      tables: [
        comparisonTable('passed through', passed, METRICS),
        comparisonTable('ended by the proxy', terminated, METRICS, 'PgBouncer'),
      ],
      targets: [],
    }
  },
}
