/**
 * `npm run bench:failover`: real failovers with pgha-proxy, HAProxy, nginx and libpq's list of hosts in front, side by
 * side. `--count N` of each kind (20), `--quick` (one of each, pgha-proxy and HAProxy only), `--write-docs`. Ends with 1
 * when pgha-proxy did not bring a writer back, or let one write to a standby.
 */
import process from 'node:process'
import { parseBenchOptions } from '../bench-options.ts'
import { missingPeers } from '../bench-stage.ts'
import { describeMachine } from '../machine.ts'
import { renderSection } from '../report/render.ts'
import { describeStolen, processorTimes } from '../stolen-time.ts'
import { writePage } from '../write-page.ts'
import { benchFailovers } from './failover-bench.ts'
import { failoverFaults, failoverSection } from './failover-section.ts'
import { writersAvailable } from './failover-writers.ts'

/** Longer than HAProxy with three checks, three seconds apart, takes; and than nginx leaves a server alone (10 s). */
const WATCH_MS = { full: 13_000, quick: 3_000 }

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))

const options = parseBenchOptions(process.argv.slice(2), [])
const available = writersAvailable()
if (available !== true) throw new Error(available)
for (const line of describeMachine()) print(line)
for (const name of missingPeers()) if (name !== 'PgBouncer') print(`left out: ${name} is not installed`)

const startedAt = performance.now()
const timesBefore = processorTimes()
const watchMs = options.isQuick ? WATCH_MS.quick : WATCH_MS.full
const results = await benchFailovers({ count: options.count, isQuick: options.isQuick, watchMs, report: print })
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0)
const when = `Measured ${new Date().toISOString().slice(0, 10)}, in ${seconds} s${describeStolen(timesBefore, processorTimes())}.`
const section = renderSection(failoverSection(results, watchMs), when)
const files = [...results.configs]
  .filter(([name]) => name !== 'pgha-proxy')
  .map(([name, config]) => `**${name}**\n\n\`\`\`\n${config.trimEnd()}\n\`\`\``)
const text = [section, ...files].join('\n\n')
print(`\n${section}`)
if (options.writesDocs) {
  writePage(new Map([['failover', text]]))
  print('written to docs/benchmarks.md')
}
const faults = failoverFaults(results)
for (const fault of faults) print(`FAILED ${fault}`)
process.exitCode = faults.length === 0 ? 0 : 1
