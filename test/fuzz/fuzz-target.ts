/**
 * The search: mutates what has covered code so far, keeps what covers more, and makes what breaks a promise small. Test
 * support. Inputs are run in batches and only a batch that reached something new is taken apart, because asking V8 what
 * was run costs a millisecond or two and running a parser a few microseconds.
 */
import { readCorpus, writeFailure } from './corpus.ts'
import { type CoverageProbe, Reach } from './coverage.ts'
import { type MinimizeLimits, minimize } from './minimize.ts'
import { mutate } from './mutate.ts'
import type { Random } from './random.ts'
import { runOnce, symptomOf } from './run-once.ts'
import type { FuzzTarget } from './target.ts'

/** Inputs in a batch, unless the target says otherwise. Never by the clock: a seed must give the same inputs again. */
const BATCH_MAX = 512

const MINIMIZE: MinimizeLimits = { attemptsMax: 3_000, msMax: 8_000 }
const SHORTEN: MinimizeLimits = { attemptsMax: 60, msMax: 300 }

export interface FuzzOptions {
  readonly seconds: number
  /** Different failures of one target after which it is left alone. */
  readonly failuresMax: number
  readonly random: Random
  readonly coverage: CoverageProbe
  readonly onFailure: (failure: FoundFailure) => void
}

/** A promise that was broken, made small and written to a file. */
export interface FoundFailure {
  readonly error: Error
  readonly input: Buffer
  readonly file: string
}

export interface FuzzResult {
  readonly executions: number
  readonly seconds: number
  /** Inputs that reached something new, in the order in which they were found. */
  readonly corpus: readonly Buffer[]
  /** How many characters of the sources it covers were run. */
  readonly reached: number
  readonly failures: readonly FoundFailure[]
}

/** Runs for `seconds`, or until too much has failed. */
export async function fuzzTarget(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const { random, coverage } = options
  const known = new Reach()
  const corpus: Buffer[] = []
  const failures: FoundFailure[] = []
  const symptoms = new Set<string>()
  let executions = 0

  const run = async (input: Buffer): Promise<Error | null> => {
    executions += 1
    return await runOnce(target, input)
  }

  const report = async (input: Buffer, error: Error): Promise<void> => {
    const symptom = symptomOf(error)
    if (symptoms.has(symptom)) return
    symptoms.add(symptom)
    const isSame = async (candidate: Buffer): Promise<boolean> => {
      const found = await run(candidate)
      return found !== null && symptomOf(found) === symptom
    }
    const small = await minimize(input, isSame, MINIMIZE)
    const failure = { error: (await run(small)) ?? error, input: small, file: writeFailure(target.name, small) }
    failures.push(failure)
    options.onFailure(failure)
  }

  /** Runs them all; whichever reaches something new joins the corpus. */
  const explore = async (inputs: readonly Buffer[]): Promise<void> => {
    coverage.take(target.covers)
    for (const input of inputs) {
      const error = await run(input)
      if (error !== null) await report(input, error)
    }
    const reached = new Reach(coverage.take(target.covers))
    if (reached.newTo(known) === 0) return
    const [only] = inputs
    if (inputs.length === 1 && only !== undefined) {
      known.add(reached)
      corpus.push(only)
      return
    }
    const middle = inputs.length >> 1
    await explore(inputs.slice(0, middle))
    await explore(inputs.slice(middle))
    // What came of the order of the whole batch, or of chance, is not looked for again.
    known.add(reached)
  }

  const startedAt = performance.now()
  const elapsedMs = (): number => performance.now() - startedAt
  const dictionary = target.dictionary.map((word) => Buffer.from(word as string))
  const seeds = [
    ...target.seeds.map((seed) => Buffer.from(seed as string)),
    ...readCorpus(target.name).map((e) => e.input),
  ]
  for (const seed of seeds) await explore([seed])

  let batchSize = 1
  while (elapsedMs() < options.seconds * 1000 && failures.length < options.failuresMax) {
    const parents = corpus.length === 0 ? seeds : corpus
    const source = { random, dictionary, corpus: [...parents, ...seeds], inputBytesMax: target.inputBytesMax }
    const batch = Array.from({ length: batchSize }, () => mutate(chooseParent(parents, random), source))
    await explore(batch)
    batchSize = Math.min(target.batchMax ?? BATCH_MAX, batchSize * 2)
  }
  return { executions, seconds: elapsedMs() / 1000, corpus, reached: known.size, failures }
}

/** Half of the time one of the youngest: what was just reached has neighbours that nobody has seen. */
function chooseParent(corpus: readonly Buffer[], random: Random): Buffer {
  const youngest = corpus.slice(-8)
  return random.below(2) === 0 ? random.pick(youngest) : random.pick(corpus)
}

/**
 * The fewest and shortest of `inputs` that still reach all that they reach together, each made shorter where nothing is
 * lost by it.
 */
export async function distill(
  target: FuzzTarget,
  inputs: readonly Buffer[],
  coverage: CoverageProbe,
): Promise<readonly Buffer[]> {
  const reachOf = async (input: Buffer): Promise<Reach> => {
    coverage.take(target.covers)
    if ((await runOnce(target, input)) !== null) return new Reach()
    return new Reach(coverage.take(target.covers))
  }
  const measured: { readonly input: Buffer; readonly reach: Reach }[] = []
  for (const input of inputs) measured.push({ input, reach: await reachOf(input) })

  const done = new Reach()
  const kept: Buffer[] = []
  for (;;) {
    const ranked = measured.map((each) => ({ ...each, gain: each.reach.newTo(done) }))
    const [best] = ranked.sort((a, b) => b.gain - a.gain || a.input.length - b.input.length)
    if (best === undefined || best.gain === 0) break
    const own = best.reach.without(done)
    const stillReaches = async (candidate: Buffer): Promise<boolean> => own.newTo(await reachOf(candidate)) === 0
    kept.push(await minimize(best.input, stillReaches, SHORTEN))
    done.add(best.reach)
  }
  return kept
}
