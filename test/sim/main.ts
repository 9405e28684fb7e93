/**
 * `npm run sim`: simulates hours of clusters with faults, and says how to have each failure again. `--hours N`, `--seed S`,
 * `--replay SEED:INDEX` or `--replay FILE` (a plan), `--json` for the figures, `--failures N` after which it stops, `--quick`
 * to stop at the first failure as it is.
 */
import { randomInt } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { readCount } from '../support/read-count.ts'
import { readOptions } from '../support/read-options.ts'
import { generatePlan, HOURS_PER_PLAN } from './generate.ts'
import type { Plan } from './plan.ts'
import { brokenPromise, shrink } from './shrink.ts'
import { runPlan } from './simulation.ts'

const options = readOptions({
  hours: { type: 'string', default: '100' },
  seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  failures: { type: 'string', default: '3' },
  replay: { type: 'string' },
  json: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
})

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

if (options.replay !== undefined) await replay(options.replay)
else await simulate(readCount('hours', options.hours), readCount('seed', options.seed, 0))

async function simulate(hours: number, seed: number): Promise<void> {
  if (!options.json) say(`seed ${seed}, ${hours} cluster-hours`)
  const figures = new Map<string, number>()
  const startedAt = performance.now()
  const failuresMax = readCount('failures', options.failures)
  let failures = 0
  let done = 0
  for (let index = 0; done < hours && failures < failuresMax; index += 1) {
    const plan = generatePlan(seed, index)
    const broken = await runOrThrown(plan, figures)
    done += HOURS_PER_PLAN
    if (broken === null) continue
    failures += 1
    if (options.quick) {
      say(`${seed}:${index} breaks a promise: ${broken.split('\n', 1)[0]}`)
      break
    }
    await report(plan, seed, index)
  }
  const seconds = (performance.now() - startedAt) / 1000
  const steppedHours = (figures.get('stepped ms') ?? 0) / 3_600_000
  if (options.json) {
    say(JSON.stringify({ seed, hours: done, steppedHours, seconds, failures, figures: Object.fromEntries(figures) }))
  } else {
    say(`${done} cluster-hours in ${seconds.toFixed(1)} s, ${steppedHours.toFixed(1)} h of them probe by probe`)
    for (const name of [...figures.keys()].sort()) {
      if (name !== 'stepped ms') say(`  ${name.padEnd(34)} ${String(figures.get(name)).padStart(12)}`)
    }
    say(failures === 0 ? 'no promise was broken' : `${failures} runs broke a promise; seed ${seed}`)
  }
  process.exitCode = failures > 0 ? 1 : 0
}

/** The first promise that is broken; `null` when all are kept. */
async function runOrThrown(plan: Plan, figures: Map<string, number>): Promise<string | null> {
  try {
    const result = await runPlan(plan)
    for (const [name, count] of result.figures) figures.set(name, (figures.get(name) ?? 0) + count)
    return result.violations[0]?.promise ?? null
  } catch (error) {
    return (error as Error).stack ?? String(error)
  }
}

async function report(plan: Plan, seed: number, index: number): Promise<void> {
  const promise = await brokenPromise(plan)
  say(`\nnpm run sim -- --replay ${seed}:${index} breaks a promise: ${promise}`)
  if (promise === null) return
  const small = await shrink(plan, promise)
  const file = join(tmpdir(), `pgha-sim-${seed}-${index}.json`)
  writeFileSync(file, `${JSON.stringify(small, null, 2)}\n`)
  say(`shrunk from ${plan.faults.length} to ${small.faults.length} faults: npm run sim -- --replay ${file}`)
  await tell(small)
}

async function tell(plan: Plan): Promise<boolean> {
  const { setup } = plan
  say(`  ${JSON.stringify(setup)}`)
  const { story, violations } = await runPlan(plan, { tells: true, stopsEarly: true })
  for (const line of story) say(line)
  return violations.length === 0
}

async function replay(what: string): Promise<void> {
  const found = /^(\d+):(\d+)$/.exec(what)
  const plan: Plan =
    found === null ? (JSON.parse(readFileSync(what, 'utf8')) as Plan) : generatePlan(Number(found[1]), Number(found[2]))
  const isKept = await tell(plan)
  say(isKept ? 'no promise was broken' : 'a promise was broken')
  process.exitCode = isKept ? 0 : 1
}
