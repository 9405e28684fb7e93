/**
 * `npm run soak`: thousands of sessions in cycles, with failovers, reloads and clients that do not behave, and a verdict
 * on what they leave behind in the proxy. docs/soak.md says what is what. `--quick` for a minute of it, `--idle N`,
 * `--busy N`, `--queries N` a second, `--rate N` new sessions a second, `--minutes N` of them or `--sessions N`,
 * `--real-every N`, `--cycles N`, `--hold SECONDS`, `--patience SECONDS`, `--workers N`, `--servers real|fake`, `--phases a,b`,
 * `--program dist|src`, `--csv FILE`, `--write-docs`, `--leak KIND` to see it fail.
 */
import { writeFileSync } from 'node:fs'
import os from 'node:os'
import process from 'node:process'
import { findLeaks, type RestPoint } from './leak-rules.ts'
import { readOptions, type SoakOptions } from './options.ts'
import { RUN_PHASE } from './phases.ts'
import { csvOf, Recorder } from './recorder.ts'
import { describeMachine, type PhaseResult, type SoakRun, writeDocs } from './report.ts'
import { SoakStage } from './stage.ts'

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const options = readOptions(process.argv.slice(2))
const startedAt = performance.now()
const stage = await SoakStage.open(options)
let run: SoakRun
try {
  say(`ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s; ${JSON.stringify(options)}`)
  run = await soak(options)
} catch (error) {
  say(stage.proxy.tail(30))
  throw error
} finally {
  await stage.close()
}

if (options.saveFile !== null) writeFileSync(options.saveFile, JSON.stringify(run))
if (options.csvFile !== null) writeFileSync(options.csvFile, csvOf(run.rows))
const complaints = run.results.flatMap(({ cycle, phase, outcome }) =>
  outcome.complaints.map((what) => `${phase}, cycle ${cycle}: ${what}`),
)
const leaks = run.findings.map(({ phase, what }) => `${phase}: ${what}`)
for (const line of [...complaints, ...run.complaints]) say(`wrong: ${line}`)
for (const line of leaks) say(`leak: ${line}`)
const isClean = complaints.length + run.complaints.length + leaks.length === 0
if (options.writesDocs) writeDocs(run)
say(
  `${isClean ? 'Nothing is left behind.' : 'The soak has failed.'} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`,
)
process.exitCode = isClean ? 0 : 1

async function soak({ cycles, phases }: SoakOptions): Promise<SoakRun> {
  const recorder = new Recorder(() => stage.look())
  const results: PhaseResult[] = []
  const loads: number[] = []
  // Nobody is to wait for a proxy that is not there any more.
  const died = stage.proxy.exited.then(({ code, signal }): never => {
    throw new Error(`the proxy ended in the middle, with ${signal ?? code}`)
  })
  died.catch(() => {})
  const start = await stage.rest({ cycle: 0, phase: 'start', atSeconds: 0 }, [])
  for (let cycle = 1; cycle <= cycles; cycle += 1) {
    for (const phase of phases) {
      recorder.mark(cycle, phase)
      recorder.start()
      const began = recorder.seconds
      const outcome = await Promise.race([RUN_PHASE[phase](stage, options), died])
      await recorder.stop()
      loads.push(os.loadavg()[0] ?? Number.NaN)
      const earlier = [start, ...results.map((result) => result.rest)]
      const rest = await stage.rest({ cycle, phase, atSeconds: recorder.seconds }, earlier)
      results.push({ cycle, phase, seconds: recorder.seconds - began, outcome, rest })
      say(describe(results.at(-1) as PhaseResult, start))
    }
  }
  const { code, signal } = await stage.stopProxy()
  const complaints = code === 0 ? [] : [`the proxy ended with ${signal ?? code}`]
  const loud = stage.proxy.log.filter(({ level }) => level === 'error' || level === 'fatal')
  if (loud.length > 0) complaints.push(`the proxy has logged ${loud.length} errors, such as ${JSON.stringify(loud[0])}`)
  if (stage.proxy.otherOutput !== '') complaints.push(`the proxy has said: ${stage.proxy.otherOutput.slice(0, 500)}`)
  const points = results.map(({ rest }) => rest)
  return {
    options,
    // Where its files went is nobody's affair.
    command: `npm run soak -- ${process.argv
      .slice(2)
      .join(' ')
      .replace(/ ?--(csv|save) \S+/g, '')}`.trim(),
    machine: describeMachine(),
    loadAverage: loads.reduce((sum, load) => sum + load, 0) / loads.length,
    start,
    results,
    findings: findLeaks([start, ...points]),
    complaints,
    rows: recorder.rows,
  }
}

function describe({ cycle, phase, seconds, outcome, rest }: PhaseResult, start: RestPoint): string {
  const figures = Object.entries(outcome.figures).map(([name, value]) => `${name} ${Number(value.toFixed(1))}`)
  const files = Object.values(rest.files).reduce((sum, count) => sum + count, 0)
  const atStart = Object.values(start.files).reduce((sum, count) => sum + count, 0)
  return (
    `${cycle} ${phase.padEnd(8)} ${seconds.toFixed(1).padStart(5)} s  ${figures.join(', ')}\n` +
    `  at rest: ${rest.sessionsEnded} sessions ended, live heap ${(rest.liveBytes / 1024).toFixed(0)} KiB, ` +
    `buffers ${(rest.bufferBytes / 1024).toFixed(0)} KiB, ` +
    `RSS ${(rest.rssBytes / 2 ** 20).toFixed(0)} MiB, files ${files} (${atStart} at start), timers ${rest.timers}, ` +
    `sockets ${rest.sockets}, threads ${rest.threads}, ${JSON.stringify(rest.resources)}\n` +
    `  ended by ${JSON.stringify(rest.endedBy)}`
  )
}
