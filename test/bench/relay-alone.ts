/**
 * The relay alone, without PostgreSQL: sessions of pgha-proxy and of HAProxy (default buffers, and 256 KiB) between the
 * same two ends, one after the other in turns. Small exchanges, bulk in both directions, and new sessions; the CPU time
 * of the relaying process is read from /proc, so Linux only. `node test/bench/relay-alone.ts [--rounds N] [--seconds S]
 * [--only WORKLOAD]` prints a table.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { waitFor } from '../support/condition.ts'
import { freePort } from '../support/free-port.ts'
import { haproxyAvailable } from '../support/haproxy.ts'
import { reapOnExit } from '../support/reaper.ts'
import { makeServerFolder } from '../support/temp-folder.ts'
import { FLOOR } from './contenders/floor.ts'
import type { RelayEndsAnswer, RelayEndsOrder } from './relay-ends.ts'
import { valuesOf } from './report/compare.ts'
import { takeTurns } from './rounds.ts'
import { percentile } from './statistics.ts'

/** Sessions of ours that do not get through at once; only measured as new ones. */
const HELD = 'pgha-proxy, held first'
const REFUSED = 'pgha-proxy, refused with 57P03'
const LARGE = 'HAProxy, 256 KiB buffers'
/** Nothing between the two ends: what they can do at most. */
const NONE = 'no relay'

export interface RelayBenchOptions {
  readonly rounds: number
  /** Of each measurement of exchanges and of sessions. */
  readonly seconds: number
  /** Of each measurement of bulk. */
  readonly bulkBytes: number
  /** Clients at a time that exchange small messages. */
  readonly clientCounts: readonly number[]
  /** Only workloads whose name has this in it. */
  readonly only?: string
  readonly report?: (line: string) => void
}

/** What one relay did in one workload; a value for each round, in order. */
export interface RelayBenchRow {
  /** `exchange, 8 clients`, `bulk down, rows of 8192 B` … */
  readonly workload: string
  readonly relay: 'pgha-proxy' | 'HAProxy' | typeof LARGE | typeof FLOOR | typeof HELD | typeof REFUSED | typeof NONE
  readonly rateUnit: 'exchanges/s' | 'MB/s' | 'sessions/s'
  readonly rates: readonly number[]
  /** CPU time of the relaying process; none where there is none. */
  readonly cpuUnit: 'µs/exchange' | 'ms/GB' | 'µs/session'
  readonly cpus: readonly number[]
}

interface Workload {
  readonly name: string
  readonly clientCount: number
  readonly order: (relay: RunningRelay) => RelayEndsOrder
  /** Those that it leaves out. */
  readonly without: readonly RelayBenchRow['relay'][]
  readonly units: Pick<RelayBenchRow, 'rateUnit' | 'cpuUnit'>
}

interface RunningRelay {
  readonly name: RelayBenchRow['relay']
  readonly pid: number | null
  readonly port: number
}

const WARM_UP_MS = 300

/** Empty with a line in `report` when HAProxy is missing: there is nothing to compare with. */
export async function benchRelay(options: RelayBenchOptions): Promise<RelayBenchRow[]> {
  const haproxy = haproxyAvailable()
  if (haproxy !== true) {
    options.report?.(`the relay alone: left out, ${haproxy}`)
    return []
  }
  const folder = makeServerFolder('bench-relay')
  const children: (() => Promise<void>)[] = []
  try {
    const ends = await startNode('relay-ends.ts', [], children)
    const host = await startNode('relay-host.ts', [String(ends.port)], children)
    const held = await startNode('relay-host.ts', [String(ends.port), 'held'], children)
    const refused = await startNode('relay-host.ts', [String(ends.port), 'refused'], children)
    const floor = await startNode('floor-relay.ts', [String(ends.port)], children)
    const relays: RunningRelay[] = [
      { name: 'pgha-proxy', pid: host.pid, port: host.port },
      await startHaproxy({ name: 'HAProxy', folder, serverPort: ends.port, bufferBytes: null }, children),
      await startHaproxy({ name: LARGE, folder, serverPort: ends.port, bufferBytes: 256 * 1024 }, children),
      { name: FLOOR, pid: floor.pid, port: floor.port },
      { name: HELD, pid: held.pid, port: held.port },
      { name: REFUSED, pid: refused.pid, port: refused.port },
      { name: NONE, pid: null, port: ends.port },
    ]
    const rows: RelayBenchRow[] = []
    for (const workload of workloadsOf(options)) {
      if (options.only !== undefined && !workload.name.includes(options.only)) continue
      const measured = await measure(
        workload,
        relays.filter(({ name }) => !workload.without.includes(name)),
        { ends: ends.child, rounds: options.rounds },
      )
      for (const row of measured) options.report?.(describe(row, measured))
      rows.push(...measured)
    }
    return rows
  } finally {
    for (const end of children.reverse()) await end()
    rmSync(folder, { recursive: true, force: true })
  }
}

function workloadsOf({ seconds, bulkBytes, clientCounts }: RelayBenchOptions): Workload[] {
  const bulk = (direction: 'down' | 'up', messageBytes: number): Workload => ({
    name: `bulk ${direction}, messages of ${messageBytes} B`,
    clientCount: 1,
    order: () => ({ kind: 'bulk', direction, bytes: bulkBytes, messageBytes }),
    without: [FLOOR, HELD, REFUSED],
    units: { rateUnit: 'MB/s', cpuUnit: 'ms/GB' },
  })
  return [
    ...clientCounts.map(
      (clientCount): Workload => ({
        name: `exchange, ${clientCount} clients`,
        clientCount,
        order: () => ({ kind: 'exchange', seconds }),
        without: [LARGE, HELD, REFUSED, NONE],
        units: { rateUnit: 'exchanges/s', cpuUnit: 'µs/exchange' },
      }),
    ),
    bulk('down', 65_536),
    bulk('down', 128),
    bulk('up', 65_536),
    {
      name: 'new sessions',
      clientCount: 0,
      order: ({ name, port }) => ({ kind: name === REFUSED ? 'refused' : 'sessions', port, seconds, parallel: 8 }),
      without: [LARGE, NONE],
      units: { rateUnit: 'sessions/s', cpuUnit: 'µs/session' },
    },
  ]
}

async function measure(
  { name: workload, clientCount, order, units }: Workload,
  relays: readonly RunningRelay[],
  { ends, rounds }: { readonly ends: ChildProcess; readonly rounds: number },
): Promise<RelayBenchRow[]> {
  // As long as it is measured: a process that has just begun compiles, and what a session needs is most of its code.
  for (let round = 0; units.rateUnit === 'sessions/s' && round < rounds; round += 1) {
    for (const relay of relays) await ask(ends, order(relay))
  }
  const isBulk = units.rateUnit === 'MB/s'
  const samples = await takeTurns(relays, rounds, async (relay) => {
    if (clientCount > 0) {
      await ask(ends, { kind: 'open', port: relay.port, count: clientCount })
      if (units.rateUnit === 'exchanges/s') await ask(ends, { kind: 'exchange', seconds: WARM_UP_MS / 1000 })
    }
    const cpuBeforeNs = cpuNsOf(relay.pid)
    const { count, ms } = await ask(ends, order(relay))
    const cpuNs = cpuNsOf(relay.pid) - cpuBeforeNs
    await ask(ends, { kind: 'close' })
    const cpu = isBulk ? cpuNs / 1e6 / (count / 1e9) : cpuNs / 1000 / count
    return { rate: isBulk ? count / 1000 / ms : (count * 1000) / ms, cpu: relay.pid === null ? null : cpu }
  })
  return relays.map(({ name }) => ({
    workload,
    relay: name,
    ...units,
    rates: valuesOf(samples, name, 'rate') ?? [],
    cpus: valuesOf(samples, name, 'cpu') ?? [],
  }))
}

function describe(row: RelayBenchRow, all: readonly RelayBenchRow[]): string {
  const show = (values: readonly number[]): string =>
    [0.5, 0, 1].map((fraction) => percentile(values, fraction).toFixed(fraction === 0.5 ? 1 : 0)).join(' / ')
  const ratio = (key: 'rates' | 'cpus'): string => {
    const haproxy = all.find(({ relay }) => relay === 'HAProxy')
    return haproxy === undefined ? '' : (percentile(row[key], 0.5) / percentile(haproxy[key], 0.5)).toFixed(2)
  }
  const rate = `${row.workload.padEnd(34)} ${row.relay.padEnd(26)} ${show(row.rates).padStart(26)} ${row.rateUnit} (x ${ratio('rates')})`
  return row.cpus.length === 0 ? rate : `${rate}   CPU ${show(row.cpus)} ${row.cpuUnit} (x ${ratio('cpus')})`
}

async function ask(ends: ChildProcess, order: RelayEndsOrder): Promise<RelayEndsAnswer> {
  const answer = once(ends, 'message')
  ends.send(order)
  return (await answer)[0] as RelayEndsAnswer
}

/** User and system time of all threads of the process. */
function cpuNsOf(pid: number | null): number {
  if (pid === null) return 0
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
    .reduce((sum, ns) => sum + ns, 0)
}

async function startNode(
  file: string,
  args: readonly string[],
  children: (() => Promise<void>)[],
): Promise<{ readonly child: ChildProcess; readonly pid: number; readonly port: number }> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { stdio: 'inherit' })
  children.push(ender(child))
  const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }]
  return { child, pid: child.pid as number, port }
}

async function startHaproxy(
  options: {
    readonly name: RelayBenchRow['relay']
    readonly folder: string
    readonly serverPort: number
    readonly bufferBytes: number | null
  },
  children: (() => Promise<void>)[],
): Promise<RunningRelay> {
  const port = await freePort()
  const file = join(options.folder, `haproxy-${options.bufferBytes ?? 'default'}.cfg`)
  writeFileSync(
    file,
    `global
  maxconn 2000
  nbthread 1
${options.bufferBytes === null ? '' : `  tune.bufsize ${options.bufferBytes}\n`}defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${port}
  server node1 127.0.0.1:${options.serverPort}
`,
  )
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(ender(child))
  const isListening = (): boolean => {
    const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
    return readFileSync('/proc/net/tcp', 'utf8').includes(`0100007F:${hexPort} 00000000:0000 0A`)
  }
  await waitFor('HAProxy to listen', isListening)
  return { name: options.name, pid: child.pid as number, port }
}

/** Ends the child and waits for that; it ends as well when this process does. */
function ender(child: ChildProcess): () => Promise<void> {
  const release = child.pid === undefined ? () => undefined : reapOnExit({ kind: 'process', pid: child.pid })
  const isOver = once(child, 'exit')
  return async () => {
    child.kill('SIGKILL')
    await isOver
    release()
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { rounds: { type: 'string' }, seconds: { type: 'string' }, only: { type: 'string' } },
  })
  await benchRelay({
    rounds: Number(values.rounds ?? 5),
    seconds: Number(values.seconds ?? 2),
    bulkBytes: 1_000_000_000,
    clientCounts: [8, 64, 400],
    ...(values.only === undefined ? {} : { only: values.only }),
    report: (line) => process.stdout.write(`${line}\n`),
  })
}
