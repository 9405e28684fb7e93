/**
 * The log: one JSON object a line on standard output, or lines for people on a terminal. Constant messages, data in
 * fields, no secret ever. Effect layer.
 */
import { type Logger, pino } from 'pino'
import type { LogFormat, LogLevel } from '../config/config.ts'

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  readonly isTerminal: boolean
  readonly useColor: boolean
}

/** Fields whose text completes the message on a terminal: `decision: node1 is primary on timeline 1`. */
const SENTENCE_FIELDS = ['reason', 'warning', 'problem', 'result'] as const

export async function createLogger({ level, format, isTerminal, useColor }: LoggerOptions): Promise<Logger> {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal)
  if (!isPretty) return pino(options, pino.destination({ dest: 1, sync: true }))
  // Loaded only for people: it would cost every daemon memory.
  const { default: pretty } = await import('pino-pretty')
  const stream = pretty({
    colorize: useColor,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: ['pid', 'hostname', ...SENTENCE_FIELDS].join(','),
    singleLine: true,
    messageFormat: (record, messageKey) => {
      const sentences = SENTENCE_FIELDS.map((field) => record[field]).filter((text) => typeof text === 'string')
      // The level says it already: `WARN: node1 refuses connections`.
      const words = record[messageKey] === 'warning' ? [] : [record[messageKey]]
      return [...words, ...sentences].join(': ')
    },
    sync: true,
  })
  return pino(options, stream)
}
