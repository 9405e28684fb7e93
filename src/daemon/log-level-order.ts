/**
 * The log level by an operator's order: for a time, after which it comes back by itself, or until the next reload.
 * Composition layer. Loggers are never kept as children of this one: pino's children keep the level they were made with.
 */
import type { Logger } from 'pino'
import type { LogLevel } from '../config/config.ts'
import { formatDuration } from '../config/duration.ts'
import type { Clock } from '../ports.ts'
import type { OrderResult } from '../probe/health-loop.ts'

export class LogLevelOrder {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #onLevel: (level: LogLevel) => void
  #configured: LogLevel
  #cancel: (() => void) | null = null

  /** `onLevel`: told of every level, for those who have a logger of their own; left out: nobody. */
  constructor(options: {
    readonly logger: Logger
    readonly clock: Clock
    readonly configured: LogLevel
    readonly onLevel?: (level: LogLevel) => void
  }) {
    this.#logger = options.logger
    this.#clock = options.clock
    this.#onLevel = options.onLevel ?? (() => undefined)
    this.#configured = options.configured
  }

  /** `forMs`: `null` until the next reload. */
  async take(level: LogLevel, forMs: number | null): Promise<OrderResult> {
    this.close()
    this.#setLevel(level)
    if (forMs === null) return { ok: true, message: `the log level is ${level} until the next reload` }
    this.#cancel = this.#clock.schedule(forMs, () => this.#comeBack())
    return { ok: true, message: `the log level is ${level} for ${formatDuration(forMs)}, then ${this.#configured}` }
  }

  /** A reload: what the configuration says holds again. */
  configure(level: LogLevel): void {
    this.close()
    this.#configured = level
    this.#setLevel(level)
  }

  /** The level stays as it is. */
  close(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #setLevel(level: LogLevel): void {
    this.#logger.level = level
    this.#onLevel(level)
  }

  #comeBack(): void {
    this.#cancel = null
    this.#setLevel(this.#configured)
    this.#logger.info({ logLevel: this.#configured }, 'the log level is back')
  }
}
