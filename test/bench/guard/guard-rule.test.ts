import { describe, expect, it } from 'vitest'
import { describeVerdict, judge } from './guard-rule.ts'

describe('the guard', () => {
  it('lets pass what is within 15 % of the baseline, on both sides', () => {
    for (const ratio of [0.86, 1, 1.14]) expect(judge([ratio], 1, true).kind).toBe('fine')
  })

  it('wants a second look at a loss before it counts', () => {
    expect(judge([1.2, 1.2, 1.2], 1, false).kind).toBe('suspect')
    expect(judge([1.2, 1.2, 1.2], 1, true)).toMatchObject({ kind: 'loss', ratio: 1.2 })
  })

  it('is not moved by a round or two in which the machine did something else', () => {
    expect(judge([1, 1.02, 9, 0.99, 3], 1, true).kind).toBe('fine')
    expect(judge([1.3, 1.31, 0.1, 1.29, 0.2], 1, true).kind).toBe('loss')
  })

  it('counts from the baseline, whatever that is', () => {
    expect(judge([2.4], 2, true).kind).toBe('loss')
    expect(judge([2.4], 2.2, true).kind).toBe('fine')
    expect(judge([0.5], 0.4, true).kind).toBe('loss')
  })

  it('says when the program has become so good that the baseline would hide a loss', () => {
    expect(judge([0.8], 1, true).kind).toBe('better')
  })

  it('fails without a measurement', () => {
    expect(() => judge([], 1, true)).toThrow('no values')
  })

  it('reports in one line', () => {
    expect(describeVerdict('exchange', judge([1.2], 1, true), 1)).toBe(
      'exchange   1.200 x the reference relay, baseline 1.000: +20.0 %, LOSS: more than 15 % above the baseline',
    )
    expect(describeVerdict('bulk', judge([0.95], 1, true), 1)).toContain('-5.0 %, fine')
  })
})
