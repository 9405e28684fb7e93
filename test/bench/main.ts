/**
 * `npm run bench`: what pgha-proxy costs, beside PostgreSQL alone, HAProxy, nginx and PgBouncer. `--only WORKLOAD`,
 * `--rounds N`, `--seconds N`, `--quick` (everything once, to show that the scripts work), `--write-docs`
 * (docs/benchmarks.md). Ends with 1 when a workload failed; the others are measured all the same.
 */
import process from 'node:process'
import { parseBenchOptions } from './bench-options.ts'
import { runWorkloads } from './run-workloads.ts'
import { WORKLOADS } from './workloads/all.ts'

// What was started is ended by the reaper; what this process alone can undo is undone as it exits.
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))

const known = WORKLOADS.map(({ id }) => id)
const options = (() => {
  try {
    return parseBenchOptions(process.argv.slice(2), known)
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`)
    process.exit(2)
  }
})()
const chosen = WORKLOADS.filter(({ id }) => options.only.length === 0 || options.only.includes(id))
process.exitCode = (await runWorkloads(chosen, options)) ? 0 : 1
