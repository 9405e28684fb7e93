/**
 * Two worker processes against one, when not PostgreSQL but the proxy is the limit: an instant server behind it, and a
 * tenth of a core for each process that relays, so that the clients and the server have room on a machine with two cores.
 * Benchmark.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { descendantsOf } from '../../support/process-tree.ts'
import { makeBenchFolder } from '../bench-folder.ts'
import { type OwnProxy, startOwnProxy } from '../contenders/own-proxy.ts'
import { makeCpuShares } from '../cpu-share.ts'
import { InstantServer } from '../instant/instant-server-process.ts'
import { runPgbench } from '../pgbench.ts'
import { comparisonTable, type Metric, ratioTarget, type Samples } from '../report/compare.ts'
import type { Target } from '../report/section.ts'
import { takeTurns } from '../rounds.ts'
import type { Workload } from '../workload.ts'
import { describe } from './transactions.ts'

const CLIENTS = 64
const SHARE = 0.1
const [ONE, TWO] = ['workers: 1', 'workers: 2']
const METRICS: readonly Metric[] = [
  { key: 'tps', title: 'transactions/s', digits: 0 },
  { key: 'cpuUs', title: 'CPU of the proxy, µs each', digits: 1 },
]
const WHAT = `two workers against one, ${CLIENTS} clients: throughput`

export const workers: Workload = {
  id: 'workers',
  run: async ({ options, report }) => {
    const folder = makeBenchFolder('workers')
    const server = await InstantServer.start()
    const proxies: OwnProxy[] = []
    const shares = makeCpuShares()
    let missing: string | null = null
    try {
      for (const [index, name] of [ONE, TWO].entries()) {
        const own = join(folder.path, String(index + 1))
        mkdirSync(own)
        try {
          const more = { workers: index + 1 }
          const proxy = await startOwnProxy({ folder: own, cluster: server.cluster, sessionsMax: 1_000, more })
          proxies.push({ ...proxy, name })
        } catch (error) {
          if (name === ONE) throw error
          missing = `\`workers: 2\` does not start: ${firstWords(error)}`
          report(missing)
        }
      }
      if (shares === null) report('no shares of a core can be given here: all processes share all cores')
      else for (const proxy of proxies) for (const pid of relayingPids(proxy)) shares.give(pid, SHARE)
      const script = join(folder.path, 'one.sql')
      writeFileSync(script, 'SELECT 1;\n')
      const args = ['-f', script, '-M', 'prepared', '-c', String(CLIENTS), '-j', '1']
      const samples = await takeTurns(proxies, options.rounds, async (contender) => {
        const figures = await runPgbench({ contender, args, seconds: options.seconds })
        report(`${contender.name}: ${describe(figures)}`)
        return { ...figures }
      })
      return {
        id: 'workers',
        title: 'More than one core',
        notes: [
          `pgbench, ${CLIENTS} clients, prepared, to a server in one process that answers at once.`,
          shares === null
            ? 'All processes share the cores of this machine.'
            : `Each process that relays has ${SHARE * 100} % of a core (a control group), so that it is the limit.`,
          ...(missing === null ? [] : [`Left out: ${missing}.`]),
        ],
        tables: [comparisonTable('', samples, METRICS, ONE)],
        targets: [targetOf(samples, missing)],
      }
    } finally {
      shares?.release()
      await Promise.allSettled(proxies.map((proxy) => proxy.close()))
      await server.close()
      folder.remove()
    }
  },
}

function targetOf(samples: Samples, missing: string | null): Target {
  const limit = { kind: 'at-least', value: 1.6 } as const
  if (missing !== null) return { what: WHAT, limit, unit: '', value: null, missing }
  return ratioTarget(WHAT, samples, 'tps', limit, { contender: TWO, reference: ONE })
}

/** The workers; with one worker there is no second process. */
function relayingPids({ pid }: OwnProxy): readonly number[] {
  const children = descendantsOf(pid)
  return children.length === 0 ? [pid] : children
}

function firstWords(error: unknown): string {
  const words = /workers: [^\n]*/.exec((error as Error).message)?.[0] ?? (error as Error).message.split('\n')[0] ?? ''
  return words.replaceAll('|', ' ').slice(0, 200)
}
