/**
 * What code has been run, from V8 itself (`node:inspector`, precise block coverage): no instrumented copy of the sources,
 * so what is fuzzed is what ships. Test support. One of it in a thread at a time.
 */
import { type Profiler, Session } from 'node:inspector'
import { setFlagsFromString } from 'node:v8'

/** A stretch of code that was run since the last look. Offsets count UTF-16 units of the file. */
export type CoveredScript = Profiler.ScriptCoverage

export class CoverageProbe {
  readonly #session = new Session()

  /** Counts from here on: begin before the code in question is loaded, or it stays coarse. */
  constructor() {
    // What the optimizing compilers put inline is not counted any more.
    for (const flag of ['--no-opt', '--no-maglev']) setFlagsFromString(flag)
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** What was run since the last `take`, of all scripts whose name has one of `covers` in it. */
  take(covers: readonly string[]): readonly CoveredScript[] {
    let scripts: readonly CoveredScript[] = []
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error) throw error
      scripts = taken.result.filter(({ url }) => covers.some((part) => url.includes(part)))
    })
    return scripts
  }

  close(): void {
    this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }
}

/** Adds up the four 0 or 1 in a word. */
const SUM_OF_BYTES = 0x01010101

/**
 * Which characters of which script were run. Characters, because V8 joins neighbouring blocks of one count: a block that
 * was run once along with its function has no range of its own, and only what was left out shows. One byte each, 0 or 1,
 * looked at four at a time: it is compared after every batch.
 */
export class Reach {
  readonly #scripts = new Map<string, Uint32Array>()

  constructor(scripts: readonly CoveredScript[] = []) {
    for (const script of scripts) this.#paint(script)
  }

  #paint({ url, functions }: CoveredScript): void {
    const length = functions.reduce((most, { ranges }) => Math.max(most, ranges[0]?.endOffset ?? 0), 0)
    const words = new Uint32Array(Math.ceil(length / 4))
    const characters = new Uint8Array(words.buffer)
    // Outer functions come before inner ones, and outer ranges before inner ones: the last word is the innermost.
    for (const { ranges } of functions) {
      for (const { count, startOffset, endOffset } of ranges) characters.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    }
    this.#scripts.set(url, words)
  }

  /** How many characters it has that `known` has not. */
  newTo(known: Reach): number {
    let fresh = 0
    for (const words of this.without(known).#scripts.values()) {
      for (const word of words) if (word !== 0) fresh += Math.imul(word, SUM_OF_BYTES) >>> 24
    }
    return fresh
  }

  /** Takes in what the other has. */
  add(other: Reach): void {
    for (const [url, words] of other.#scripts) {
      const before = this.#scripts.get(url)
      const length = Math.max(before?.length ?? 0, words.length)
      this.#scripts.set(
        url,
        Uint32Array.from({ length }, (_, at) => (before?.[at] ?? 0) | (words[at] ?? 0)),
      )
    }
  }

  /** What it has and `other` has not. */
  without(other: Reach): Reach {
    const rest = new Reach()
    for (const [url, words] of this.#scripts) {
      const taken = other.#scripts.get(url)
      rest.#scripts.set(url, taken === undefined ? words : words.map((word, at) => word & ~(taken[at] ?? 0)))
    }
    return rest
  }

  get size(): number {
    return this.newTo(new Reach())
  }
}
