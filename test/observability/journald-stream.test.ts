import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { journaldStream } from '../../src/observability/journald-stream.ts'

describe('the log for journald', () => {
  it("has syslog's priority in front of each line, and one line for each record", () => {
    const lines: string[] = []
    const logger = pino({ level: 'trace', base: null }, journaldStream({ write: (line) => lines.push(line) }))
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) logger[level]({ text: 'a\nb' }, level)

    expect(lines.map((line) => line.slice(0, 3))).toEqual(['<7>', '<7>', '<6>', '<4>', '<3>'])
    expect(lines.every((line) => line.indexOf('\n') === line.length - 1)).toBe(true)
    expect(lines.map((line) => JSON.parse(line.slice(3)).msg)).toEqual(['trace', 'debug', 'info', 'warn', 'error'])
  })
})
