import { describe, expect, it } from 'vitest'
import { fewerRounds, parseBenchOptions } from './bench-options.ts'

const KNOWN = ['select', 'copy', 'idle']
const parse = (...args: readonly string[]) => parseBenchOptions(args, KNOWN)

describe('the options of a benchmark', () => {
  it('are five rounds of two seconds of everything unless told otherwise', () => {
    expect(parse()).toEqual({ only: [], rounds: 5, seconds: 2, count: 20, isQuick: false, writesDocs: false })
  })

  it('are one short round with --quick, and what is named beside it wins', () => {
    expect(parse('--quick')).toMatchObject({ rounds: 1, seconds: 1, count: 1, isQuick: true })
    expect(parse('--quick', '--rounds', '2')).toMatchObject({ rounds: 2, seconds: 1 })
  })

  it('take workloads one by one and with commas', () => {
    expect(parse('--only', 'copy', '--only', 'select,idle').only).toEqual(['copy', 'select', 'idle'])
  })

  it.each([
    [['--only', 'cpoy'], 'no workload cpoy; there are: select, copy, idle'],
    [['--rounds', '0'], '--rounds is a whole number above 0, not 0'],
    [['--seconds', '1.5'], '--seconds is a whole number above 0, not 1.5'],
    [['--quick', '--write-docs'], 'nothing that belongs into the docs'],
    [['--fast'], "Unknown option '--fast'"],
  ])('refuse %j', (args, words) => {
    expect(() => parse(...args)).toThrow(words)
  })

  it('give what has no target fewer rounds, and never none', () => {
    expect([5, 3, 1].map((rounds) => fewerRounds({ ...parse(), rounds }))).toEqual([3, 2, 1])
  })
})
