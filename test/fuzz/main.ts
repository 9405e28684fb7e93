/**
 * `npm run fuzz`: searches for inputs that break a promise of a parser, of the decision or of a session, and says how to
 * have each again. `--seconds N` for all targets together, `--seed S`, `--target NAME` (or a file that exports `target`;
 * may be repeated), `--failures N` after which a target is left alone, `--replay FILE`, `--save` to renew
 * test/fuzz/corpus, `--table` for the table in docs/fuzzing.md.
 */
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { readCount } from '../support/read-count.ts'
import { readOptions } from '../support/read-options.ts'
import { readCorpus, writeCorpus } from './corpus.ts'
import { CoverageProbe } from './coverage.ts'
import { distill, type FuzzResult, fuzzTarget } from './fuzz-target.ts'
import { LineCoverage } from './line-coverage.ts'
import { Random } from './random.ts'
import { runOnce, watchStrayErrors } from './run-once.ts'
import type { FuzzTarget } from './target.ts'
import { Watchdog } from './watchdog.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SOURCES = ['/src/']

const options = readOptions({
  seconds: { type: 'string', default: '60' },
  seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  failures: { type: 'string', default: '5' },
  target: { type: 'string', multiple: true },
  replay: { type: 'string' },
  save: { type: 'boolean', default: false },
  table: { type: 'boolean', default: false },
})

// Before stray errors are watched for, which would take a wrong option for one of theirs.
const seed = readCount('seed', options.seed, 0)
const secondsInAll = readCount('seconds', options.seconds)
const failuresMax = readCount('failures', options.failures)

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

// Before the sources are loaded, or V8 counts whole functions only.
const coverage = new CoverageProbe()
const { TARGETS } = await import('./targets.ts')
const lines = new LineCoverage(ROOT)
lines.add(coverage.take(SOURCES))
const chosen = await chooseTargets(options.target ?? [])
const unwatch = watchStrayErrors()

try {
  if (options.replay !== undefined) await replay(options.replay)
  else await fuzz(chosen)
} catch (error) {
  // Of the fuzzer itself. Whoever watches for stray errors would take it, and nobody would hear of it.
  process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = 1
}
unwatch()
coverage.close()
// A socket that a failure has left behind must not keep it alive.
process.exit()

async function chooseTargets(names: readonly string[]): Promise<readonly FuzzTarget[]> {
  if (names.length === 0) return TARGETS
  return await Promise.all(
    names.map(async (name) => {
      const known = TARGETS.find((target) => target.name === name)
      if (known !== undefined) return known
      if (!name.endsWith('.ts'))
        throw new Error(`there is no target ${name}; there is ${TARGETS.map((t) => t.name).join(', ')}`)
      const module: { target: FuzzTarget } = await import(pathToFileURL(resolve(name)).href)
      return module.target
    }),
  )
}

async function fuzz(targets: readonly FuzzTarget[]): Promise<void> {
  const totalWeight = targets.reduce((sum, { weight = 1 }) => sum + weight, 0)
  say(`seed ${seed}, Node ${process.versions.node}, ${options.seconds} s for ${targets.length} targets`)
  let failures = 0
  const rows: string[] = []
  for (const [index, each] of targets.entries()) {
    const watchdog = new Watchdog(each.name)
    const target = watched(each, watchdog)
    const seconds = (secondsInAll * (target.weight ?? 1)) / totalWeight
    const result = await fuzzTarget(target, {
      seconds,
      failuresMax,
      // Each has numbers of its own, so that one target alone finds what it found among the others.
      random: new Random(seed + (TARGETS.indexOf(each) + 1 || index) * 7919),
      coverage,
      onFailure: ({ error, input, file }) => {
        say(`\n${target.name}: ${error.stack ?? error.message}`)
        say(`  input (${input.length} bytes): ${JSON.stringify(input.toString('latin1').slice(0, 400))}`)
        say(`  npm run fuzz -- --replay ${relative(ROOT, file)}\n`)
      },
    })
    await settle(target, result)
    await target.close?.()
    await watchdog.close()
    failures += result.failures.length
    const rate = Math.round(result.executions / result.seconds)
    say(
      `${target.name.padEnd(18)} ${String(result.executions).padStart(9)} runs ${String(rate).padStart(7)}/s  ` +
        `${String(result.reached).padStart(6)} characters reached  corpus ${result.corpus.length}  failures ${result.failures.length}`,
    )
    rows.push(
      `| \`${target.name}\` | ${target.oracle} | ${rate.toLocaleString('en')} | ${result.executions.toLocaleString('en')} |`,
    )
  }
  for (const folder of [
    'src/protocol/',
    'src/session/',
    'src/topology/',
    'src/net/',
    'src/probe/',
    'src/config/',
    'src/cli/init/',
  ]) {
    const { run, all, missing } = lines.of(folder)
    say(`lines of ${folder.padEnd(14)} ${run} of ${all}${all > 0 ? ` (${((100 * run) / all).toFixed(1)} %)` : ''}`)
    if (missing.length > 0 && missing.length <= 12) say(`  not run: ${missing.join(' ')}`)
  }
  if (options.table) say(['', '| target | what it checks | runs/s | runs |', '|---|---|---|---|', ...rows].join('\n'))
  if (failures > 0) say(`${failures} promises broken; seed ${seed}`)
  process.exitCode = failures > 0 ? 1 : 0
}

/** The same target, with every input it is given known to the watchdog. */
function watched(target: FuzzTarget, watchdog: Watchdog): FuzzTarget {
  return {
    ...target,
    run: (input) => {
      watchdog.note(input)
      return target.run(input)
    },
  }
}

/** Counts the lines that all inputs of the run reach together, and keeps the best of them where that is asked for. */
async function settle(target: FuzzTarget, { corpus }: FuzzResult): Promise<void> {
  const inputs = options.save ? await distill(target, corpus, coverage) : corpus
  coverage.take(SOURCES)
  for (const input of inputs) await runOnce(target, input)
  for (const { input } of readCorpus(target.name)) await runOnce(target, input)
  lines.add(coverage.take(SOURCES))
  if (options.save) writeCorpus(target.name, inputs)
}

/** The target is the one that is named, or else the one that the file was kept for. */
async function replay(file: string): Promise<void> {
  const folder = basename(dirname(resolve(file)))
  const guesses = [...(options.target ?? []), folder, basename(file).replace(/-[0-9a-f]+$/, '')]
  const name = guesses.find((guess) => guess.endsWith('.ts') || TARGETS.some((target) => target.name === guess))
  if (name === undefined) throw new Error(`for which target is ${file}? Say --target NAME`)
  const [target] = await chooseTargets([name])
  if (target === undefined) return
  const watchdog = new Watchdog(target.name)
  const error = await runOnce(watched(target, watchdog), readFileSync(file))
  await target.close?.()
  await watchdog.close()
  say(error === null ? `${target.name}: every promise kept` : `${target.name}: ${error.stack ?? error.message}`)
  process.exitCode = error === null ? 0 : 1
}
