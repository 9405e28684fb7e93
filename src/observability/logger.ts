/**
 * The log: one JSON object a line on standard output, or lines for people on a terminal. Constant messages, data in
 * fields (`node` and `session` say what a line is about), no secret ever. Effect layer. No child loggers are kept: pino's
 * children do not follow when the level of their parent changes.
 */
import { type Logger, pino } from 'pino'
import type { LogFormat, LogLevel } from '../config/config.ts'
import { journaldStream } from './journald-stream.ts'
import { printable } from './printable.ts'

export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  readonly isTerminal: boolean
  readonly useColor: boolean
  /** Standard error instead of standard output. */
  readonly toStandardError?: boolean
}

/** Fields whose text completes the message on a terminal: `decision: node1 is primary on timeline 1`. */
const SENTENCE_FIELDS = ['reason', 'warning', 'problem', 'result'] as const

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { level, format, isTerminal, useColor, toStandardError = false } = options
  const ownOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal)
  const descriptor = toStandardError ? 2 : 1
  const destination = pino.destination({ dest: descriptor, sync: true })
  if (format === 'journald') return pino(ownOptions, journaldStream(destination))
  if (!isPretty) return pino(ownOptions, destination)
  // Loaded only for people: it would cost every daemon memory.
  const { default: pretty } = await import('pino-pretty')
  const stream = pretty({
    colorize: useColor,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: ['pid', 'hostname', ...SENTENCE_FIELDS].join(','),
    singleLine: true,
    messageFormat: lineForPeople,
    destination: descriptor,
    sync: true,
  })
  return pino(ownOptions, stream)
}

/**
 * Message and sentences of a record. Servers and other programs have written parts of them: nothing in it moves the
 * cursor or begins a line of its own.
 */
export function lineForPeople(record: Readonly<Record<string, unknown>>, messageKey: string): string {
  const sentences = SENTENCE_FIELDS.map((field) => record[field]).filter((text) => typeof text === 'string')
  // The level says it already: `WARN: node1 refuses connections`.
  const words = record[messageKey] === 'warning' ? [] : [record[messageKey]]
  return printable([...words, ...sentences].join(': '))
}
