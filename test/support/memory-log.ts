/**
 * A logger whose lines stay in memory, to be looked at. Test support.
 */
import { type Logger, pino } from 'pino'

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export interface MemoryLog {
  readonly logger: Logger
  /** All lines so far, oldest first. */
  readonly lines: readonly LogLine[]
  /** The lines since the last call, as `warn message`. */
  readonly news: () => string[]
}

export function createMemoryLog(): MemoryLog {
  const lines: LogLine[] = []
  const logger = pino({ level: 'trace', base: null }, { write: (line: string) => lines.push(JSON.parse(line)) })
  let seen = 0
  return {
    logger,
    lines,
    news: () => {
      const fresh = lines.slice(seen)
      seen = lines.length
      return fresh.map(({ level, msg }) => `${pino.levels.labels[level]} ${msg}`)
    },
  }
}
