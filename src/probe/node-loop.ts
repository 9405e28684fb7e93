/**
 * Probes one node again and again at its own pace, and at once when somebody saw something. Effect layer. Loops of
 * different nodes never wait for each other; a loop never has two probes under way.
 */
import type { Clock, Prober } from '../ports.ts'
import type { Observation } from '../topology/observation.ts'

/**
 * The least time from the start of one probe to a hinted one. Hints come in floods when a server dies under a thousand
 * sessions, and for ever when an application goes on writing to a read-only primary: after a hinted probe the next one
 * waits for the fast pace.
 */
export const HINTED_PROBE_GAP_MS = 10

export interface NodeLoopOptions {
  readonly prober: Prober
  readonly clock: Clock
  /** Milliseconds from the start of one probe to the start of the next; asked anew each time. */
  readonly intervalMs: () => number
  /** The same at the fast pace, whatever the pace is now. */
  readonly fastIntervalMs: () => number
  readonly onObservation: (observation: Observation) => void
}

export class NodeLoop {
  readonly #options: NodeLoopOptions
  #startedAt = Number.NEGATIVE_INFINITY
  #isProbing = false
  #isStopped = false
  #isHinted = false
  #wasHinted = false
  #wantsFresh = false
  #cancelWait: (() => void) | null = null

  constructor(options: NodeLoopOptions) {
    this.#options = options
  }

  /** Probes now and from then on. Call once. */
  start(): void {
    void this.#probe()
  }

  /**
   * Something happened: probe as soon as possible, by a new connection with `fresh`. Answers to questions that were
   * asked before the hint do not count, so a probe under way is followed by another.
   */
  hint(options: { readonly fresh: boolean }): void {
    if (this.#isStopped) return
    this.#isHinted = true
    this.#wantsFresh ||= options.fresh
    this.#reschedule()
  }

  /** The pace has changed: wait no longer than the new one says. */
  repace(): void {
    this.#reschedule()
  }

  /** Ends the loop and the monitoring session. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelWait?.()
    this.#cancelWait = null
    await this.#options.prober.close()
  }

  async #probe(): Promise<void> {
    if (this.#isStopped || this.#isProbing) return
    const { prober, clock, onObservation } = this.#options
    this.#isProbing = true
    this.#startedAt = clock.now()
    const fresh = this.#wantsFresh
    this.#wasHinted = this.#isHinted
    this.#isHinted = false
    this.#wantsFresh = false
    const observation = await prober.probe({ fresh })
    this.#isProbing = false
    if (this.#isStopped) return
    onObservation(observation)
    this.#reschedule()
  }

  #reschedule(): void {
    if (this.#isStopped || this.#isProbing) return
    this.#cancelWait?.()
    const { clock } = this.#options
    const gapMs = this.#isHinted ? this.#hintedGapMs() : this.#options.intervalMs()
    const delayMs = Math.max(0, this.#startedAt + gapMs - clock.now())
    this.#cancelWait = clock.schedule(delayMs, () => {
      this.#cancelWait = null
      void this.#probe()
    })
  }

  #hintedGapMs(): number {
    const fastIntervalMs = this.#options.fastIntervalMs()
    return this.#wasHinted ? fastIntervalMs : Math.min(HINTED_PROBE_GAP_MS, fastIntervalMs)
  }
}
