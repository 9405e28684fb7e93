/**
 * What is fuzzed: a function of bytes that throws when a promise of the code is broken. Test support; it knows nothing of
 * how inputs are found (fuzz-target.ts) or kept (corpus.ts).
 */

export interface FuzzTarget {
  /** Kebab-case; names its folder in the corpus. */
  readonly name: string
  /** What it checks, in one line, for the table in docs/fuzzing.md. */
  readonly oracle: string
  /** Ends of the names of the source folders and files whose coverage leads the search, as `src/protocol/`. */
  readonly covers: readonly string[]
  /** Longer inputs are cut. */
  readonly inputBytesMax: number
  /** Valid inputs to begin with: at least one. */
  readonly seeds: readonly (Buffer | string)[]
  /** What means something to the code: mutations put it in. */
  readonly dictionary: readonly (Buffer | string)[]
  /** How many inputs are run before it is looked what they reached: fewer where one takes long. */
  readonly batchMax?: number
  /** What one input may cost; 400 when left out. */
  readonly cpuMsMax?: number
  /** Its share of the time; 1 when left out. */
  readonly weight?: number
  /** Throws or rejects when a promise is broken. Owns nothing when it returns. */
  readonly run: (input: Buffer) => void | Promise<void>
  /** Closes what is kept open between runs. */
  readonly close?: () => Promise<void>
}

/** A promise that was broken: the message says which, with as few changing words as possible. */
export class BrokenPromise extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BrokenPromise'
  }
}

/** Throws BrokenPromise with `promise` when it does not hold. */
export function ensure(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new BrokenPromise(promise)
}
