/**
 * Shows the service manager a sign of life at half of the time it allows, as long as there is life: the timer shows that
 * the event loop turns, `findStall` that the work goes on. Composition layer. When the work stands still it keeps
 * silent, and the manager restarts the proxy.
 */
import type { Logger } from 'pino'
import type { Clock } from '../ports.ts'

/** After a stall it looks again this soon: a process that was merely stopped for a while has little time left. */
const RECHECK_MS = 1_000

export interface WatchdogOptions {
  readonly clock: Clock
  /** The manager's limit: without a sign for this long it restarts the service. */
  readonly timeoutMs: number
  /** What stands still, in words; `null`: all goes on. */
  readonly findStall: () => string | null
  readonly onAlive: () => void
  readonly logger: Logger
}

export class Watchdog {
  readonly #options: WatchdogOptions
  #cancel: (() => void) | null = null
  #isStalled = false

  constructor(options: WatchdogOptions) {
    this.#options = options
  }

  /** Gives the first sign at once. A second call means nothing. */
  start(): void {
    if (this.#cancel === null) this.#look()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #look(): void {
    const { clock, timeoutMs, findStall, onAlive, logger } = this.#options
    const stall = findStall()
    if (stall === null) {
      onAlive()
      if (this.#isStalled) logger.info('the work goes on: the watchdog is fed again')
    } else if (!this.#isStalled) {
      logger.error(
        { problem: stall },
        'the work stands still: the watchdog is not fed, the service manager will restart',
      )
    }
    this.#isStalled = stall !== null
    const halfMs = timeoutMs / 2
    this.#cancel = clock.schedule(this.#isStalled ? Math.min(RECHECK_MS, halfMs) : halfMs, () => this.#look())
  }
}
