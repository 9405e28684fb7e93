/**
 * Inputs on disk: `corpus/TARGET/` is what is kept for good, one input a file. Files named by a digest are what covers the
 * code; files with any other name are regressions, named after the symptom, and never removed by a program. Test support.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = join(import.meta.dirname, 'corpus')
const FAILURES = join(import.meta.dirname, 'failures')
const DIGEST_NAME = /^[0-9a-f]{12}$/

export interface CorpusEntry {
  readonly file: string
  readonly input: Buffer
}

/** All inputs kept for a target, by name; none when it has no folder yet. */
export function readCorpus(target: string): readonly CorpusEntry[] {
  const folder = join(FOLDER, target)
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  return names.sort().map((file) => ({ file, input: readFileSync(join(folder, file)) }))
}

/** Names of the targets that have a folder. */
export function corpusTargets(): string[] {
  return readdirSync(FOLDER).sort()
}

/** Makes `inputs` what is kept, beside the regressions. */
export function writeCorpus(target: string, inputs: readonly Buffer[]): void {
  const folder = join(FOLDER, target)
  mkdirSync(folder, { recursive: true })
  const wanted = new Map(inputs.map((input) => [digestOf(input), input]))
  for (const { file } of readCorpus(target)) {
    if (DIGEST_NAME.test(file) && !wanted.has(file)) rmSync(join(folder, file))
  }
  for (const [name, input] of wanted) writeFileSync(join(folder, name), input)
}

/** Keeps an input that broke a promise, outside of the corpus until somebody has looked at it. Returns the file's path. */
export function writeFailure(target: string, input: Buffer): string {
  mkdirSync(FAILURES, { recursive: true })
  const path = join(FAILURES, `${target}-${digestOf(input)}`)
  writeFileSync(path, input)
  return path
}

/** Where `writeFailure` puts things. */
export function failuresFolder(): string {
  return FAILURES
}

function digestOf(input: Buffer): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 12)
}
