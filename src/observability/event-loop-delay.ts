/** How late the event loop of this process is, looked at often enough for what an operator wants to know. Effect layer. */
import { createHistogram } from 'node:perf_hooks'

/**
 * Time between two looks, in milliseconds. Each wakes the process: 100 of them a second, as prom-client takes, were most of
 * what an idle proxy cost. A stall shows as up to so much less than it was, and a shorter one may not show at all.
 */
const INTERVAL_MS = 50

/** Seconds, since the last `take`; on time is 0, or a fraction of a millisecond. */
export interface EventLoopDelays {
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly stddev: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
}

/**
 * Looks from its construction until `close`, and keeps no process alive. Not Node's `monitorEventLoopDelay`: when that is
 * reset it forgets when it looked last, and with it what stood still around a scrape.
 */
export class EventLoopDelay {
  readonly #histogram = createHistogram()
  readonly #timer: NodeJS.Timeout
  #lastAt = performance.now()

  constructor() {
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS).unref()
  }

  /** What was seen since the last time; `null` when nobody has looked since. */
  take(): EventLoopDelays | null {
    const histogram = this.#histogram
    if (histogram.count === 0) return null
    const delays = {
      min: histogram.min / 1e9,
      max: histogram.max / 1e9,
      mean: histogram.mean / 1e9,
      stddev: histogram.stddev / 1e9,
      p50: histogram.percentile(50) / 1e9,
      p90: histogram.percentile(90) / 1e9,
      p99: histogram.percentile(99) / 1e9,
    }
    histogram.reset()
    return delays
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    const lateMs = now - this.#lastAt - INTERVAL_MS
    this.#lastAt = now
    // In nanoseconds, of which it takes no less than 1. A look after a late one may come early.
    this.#histogram.record(Math.max(1, Math.round(lateMs * 1e6)))
  }
}
