/**
 * `npm run bench:guard`: fails (1) when the data plane needs clearly more CPU than it did when the baseline was taken,
 * compared with a plain relay in the same run, so that a slow or busy machine does not matter. `--update` takes the
 * baseline anew; `--slow US` makes our side slower by that, to see the guard fail.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median } from '../statistics.ts'
import { GuardMeasures, MEASURES, type MeasureName } from './guard-measures.ts'
import { describeVerdict, judge } from './guard-rule.ts'

const BASELINE_FILE = fileURLToPath(new URL('./baseline.json', import.meta.url))
const ROUNDS = { first: 7, second: 14, update: 25 }

const print = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false }, slow: { type: 'string' } } })
const slowUs = Number(values.slow ?? 0)
if (!(slowUs >= 0)) throw new Error(`--slow is a number of microseconds, not ${values.slow}`)
if (values.update && slowUs > 0) throw new Error('a baseline is not taken of a program made slow')

const measures = await GuardMeasures.start(slowUs)
try {
  // Code that is not compiled yet is slow on both sides, and not to the same degree.
  for (const name of MEASURES) await measures.ratio(name, 0)
  if (values.update) await update()
  else process.exitCode = (await guard()) ? 0 : 1
} finally {
  await measures.close()
}

async function measure(name: MeasureName, rounds: number): Promise<number[]> {
  const ratios: number[] = []
  for (let round = 0; round < rounds; round += 1) ratios.push(await measures.ratio(name, round))
  return ratios
}

async function update(): Promise<void> {
  const taken: Record<string, number> = {}
  for (const name of MEASURES) {
    taken[name] = Number(median(await measure(name, ROUNDS.update)).toFixed(3))
    print(`${name}: ${taken[name]} x the reference relay`)
  }
  writeFileSync(BASELINE_FILE, `${JSON.stringify(taken, null, 2)}\n`)
}

/** `false` when there is a loss. */
async function guard(): Promise<boolean> {
  const baselines = JSON.parse(readFileSync(BASELINE_FILE, 'utf8')) as Record<MeasureName, number>
  let isFine = true
  for (const name of MEASURES) {
    const baseline = baselines[name]
    if (!(baseline > 0)) throw new Error(`baseline.json has nothing for ${name}: take it anew with --update`)
    const ratios = await measure(name, ROUNDS.first)
    let verdict = judge(ratios, baseline, false)
    if (verdict.kind === 'suspect') {
      print(describeVerdict(name, verdict, baseline))
      ratios.push(...(await measure(name, ROUNDS.second)))
      verdict = judge(ratios, baseline, true)
    }
    print(describeVerdict(name, verdict, baseline))
    if (verdict.kind === 'loss') isFine = false
  }
  return isFine
}
