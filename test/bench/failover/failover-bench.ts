/**
 * Failovers of a real pair of servers with every contender in front of it at the same time, each with a writer that
 * keeps its session and one that connects for each write. Benchmark.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../../support/condition.ts'
import { createCluster, type PostgresCluster } from '../../support/postgres-cluster.ts'
import type { PostgresServer } from '../../support/postgres-server.ts'
import { APPLICATION_LOGIN } from '../../support/roles.ts'
import { makeBenchFolder } from '../bench-folder.ts'
import { type FailoverContender, FailoverContenders } from './failover-contenders.ts'
import { FAULTS, type Fault, failOver, takeBack, wallMs } from './failover-faults.ts'
import { FailoverWriter } from './failover-writers.ts'
import { type Outage, outageOf, together } from './outage.ts'

export interface FailoverBenchOptions {
  /** Of each kind. */
  readonly count: number
  /** pgha-proxy and one HAProxy only. */
  readonly isQuick: boolean
  /** How long everybody is watched after the promotion; less when all write again and nothing else can happen. */
  readonly watchMs: number
  readonly report: (line: string) => void
}

/** By kind and by contender, one for each failover. */
export interface FailoverResults {
  readonly outages: ReadonlyMap<Fault, ReadonlyMap<string, readonly Outage[]>>
  readonly configs: ReadonlyMap<string, string>
}

/** After everybody writes again: for what comes late. */
const CALM_MS = 500

export async function benchFailovers(options: FailoverBenchOptions): Promise<FailoverResults> {
  const cluster = await createCluster({
    nodes: 2,
    repmgrTables: true,
    application: true,
    settings: { max_connections: 200 },
  })
  const folder = makeBenchFolder('failover')
  let contenders: FailoverContenders | null = null
  const outages = new Map<Fault, Map<string, Outage[]>>(FAULTS.map((fault) => [fault, new Map()]))
  try {
    for (const node of cluster.nodes) trust(node)
    contenders = await FailoverContenders.start(cluster, folder.path, options.isQuick)
    let [from, to] = [cluster.node('node1'), cluster.node('node2')]
    for (let round = 0; round < options.count; round += 1) {
      for (const fault of FAULTS) {
        const seen = await failOnce(cluster, contenders, { fault, from, to, watchMs: options.watchMs })
        for (const [name, outage] of seen) {
          const all = outages.get(fault)
          all?.set(name, [...(all.get(name) ?? []), outage])
          options.report(`${fault} ${round + 1}, ${name}: ${describeOutage(outage)}`)
        }
        ;[from, to] = [to, from]
      }
    }
    return { outages, configs: contenders.configs }
  } finally {
    await contenders?.close()
    await cluster.destroy()
    folder.remove()
  }
}

/** One failover; everybody is there again when it resolves, with the roles changed. */
async function failOnce(
  cluster: PostgresCluster,
  contenders: FailoverContenders,
  options: {
    readonly fault: Fault
    readonly from: PostgresServer
    readonly to: PostgresServer
    readonly watchMs: number
  },
): Promise<ReadonlyMap<string, Outage>> {
  const { fault, from, to, watchMs } = options
  const writers = new Map<FailoverContender, readonly FailoverWriter[]>()
  try {
    for (const contender of await contenders.ready(from, to)) {
      const { name, conninfo } = contender
      writers.set(contender, [new FailoverWriter(name, conninfo, 'long'), new FailoverWriter(name, conninfo, 'fresh')])
    }
    await Promise.all([...writers.values()].flat().map((writer) => writer.waitUntilSteady(from.port)))
    const { faultAt, writableAt } = await failOver(cluster, fault, { from, to })
    const isBack = (writer: FailoverWriter): boolean =>
      writer.events.some((event) => 'port' in event && event.port === to.port && event.at > faultAt)
    const mayEndEarly = fault !== 'switchover'
    for (;;) {
      if (wallMs() - writableAt >= watchMs) break
      if (mayEndEarly && [...writers.values()].flat().every(isBack)) {
        await delay(CALM_MS)
        break
      }
      await delay(20)
    }
    const times = { faultAt, writableAt, endAt: wallMs(), newPort: to.port }
    return new Map(
      [...writers].map(([{ name }, own]) => [name, together(own.map(({ events }) => outageOf(events, times)))]),
    )
  } finally {
    await Promise.all([...writers.values()].flat().map((writer) => writer.close()))
    await contenders.over()
    await takeBack(cluster, { from, to })
    await waitForStandby(contenders, from.name)
  }
}

/** Until pgha-proxy has seen it. */
async function waitForStandby({ own }: FailoverContenders, name: string): Promise<void> {
  await waitFor(
    `${name} to be a standby again`,
    async () => (await own.process.status())['nodes'] as readonly { readonly name: string; readonly role: string }[],
    { until: (nodes) => nodes.some((node) => node.name === name && node.role === 'standby'), timeoutMs: 20_000 },
  )
}

/** Nobody has a password here: a log-in that its server takes with it would be one more thing to compare. */
function trust(node: PostgresServer): void {
  node.setHbaLines([`host all ${APPLICATION_LOGIN.user} all trust`])
  node.reload()
}

function describeOutage({ recoveredMs, stallMs, errors, readOnlyErrors }: Outage): string {
  const recovered = recoveredMs === null ? 'does not write again' : `writes after ${recoveredMs.toFixed(0)} ms`
  return `${recovered}, stall ${stallMs.toFixed(0)} ms, ${errors} errors (${readOnlyErrors} read-only)`
}
