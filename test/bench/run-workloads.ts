/**
 * Runs workloads one after the other, prints what they found, and writes it into docs/benchmarks.md when asked to.
 * Benchmark support. A workload that fails is named, and the others go on.
 */
import process from 'node:process'
import type { BenchOptions } from './bench-options.ts'
import { BenchStage, missingPeers } from './bench-stage.ts'
import { describeMachine } from './machine.ts'
import { renderSection } from './report/render.ts'
import { describeStolen, processorTimes } from './stolen-time.ts'
import type { Workload } from './workload.ts'
import { writePage } from './write-page.ts'

const SCALE = { quick: 1, full: 10 }

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

/** `false` when one of them failed. */
export async function runWorkloads(workloads: readonly Workload[], options: BenchOptions): Promise<boolean> {
  const startedAt = performance.now()
  const setUp = describeMachine()
  const missing = missingPeers()
  for (const line of setUp) print(line)
  for (const name of missing) print(`left out: ${name} is not installed`)
  let stage: Promise<BenchStage> | null = null
  const context = {
    options,
    stage: () => {
      stage ??= BenchStage.open(options.isQuick ? SCALE.quick : SCALE.full)
      return stage
    },
    report: (line: string) => print(`    ${line}`),
  }
  const sections = new Map<string, string>()
  const failed: string[] = []
  const configs = new Map<string, string>()
  try {
    for (const workload of workloads) {
      const workloadStartedAt = performance.now()
      const timesBefore = processorTimes()
      print(`\n== ${workload.id} ==`)
      try {
        const section = await workload.run(context)
        const took = ((performance.now() - workloadStartedAt) / 1_000).toFixed(0)
        const given = `--rounds ${options.rounds} --seconds ${options.seconds}`
        const stolen = describeStolen(timesBefore, processorTimes())
        const when = `Measured ${new Date().toISOString().slice(0, 10)} with \`${given}\`, in ${took} s${stolen}.`
        const text = renderSection(section, when)
        sections.set(section.id, text)
        print(`\n${text}`)
      } catch (error) {
        failed.push(workload.id)
        print(`FAILED ${workload.id}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      }
    }
    if (stage !== null) {
      const { own, peers } = await (stage as Promise<BenchStage>)
      for (const { name, config } of [own, ...peers]) configs.set(name, config)
    }
  } catch (error) {
    failed.push((error as Error).message)
  } finally {
    if (stage !== null) await (stage as Promise<BenchStage>).then((open) => open.close()).catch(() => {})
  }
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1)
  print(`\n${workloads.length - failed.length} of ${workloads.length} workloads measured in ${minutes} minutes`)
  for (const id of failed) print(`failed: ${id}`)
  if (options.writesDocs) {
    if (configs.size > 0) sections.set('setup', renderSetUp(setUp, missing, options, configs))
    writePage(sections)
    print('written to docs/benchmarks.md')
  }
  return failed.length === 0
}

function renderSetUp(
  lines: readonly string[],
  missing: readonly string[],
  { rounds, seconds }: BenchOptions,
  configs: ReadonlyMap<string, string>,
): string {
  const leftOut = missing.map((name) => `- left out, not installed: ${name}`)
  const files = [...configs].map(([name, config]) => `**${name}**\n\n\`\`\`\n${config.trimEnd()}\n\`\`\``)
  return [
    '## Set-up',
    [...lines.map((line) => `- ${line}`), ...leftOut].join('\n'),
    `${rounds} rounds where there is a target, three fifths of that elsewhere; ${seconds} s for each run of pgbench. All on
loopback. PostgreSQL with \`fsync = off\`; the application logs in without a password. Ports and folders change from run
to run. The configurations:`,
    ...files,
  ].join('\n\n')
}
