import { describe, expect, it } from 'vitest'
import { median, percentile, ratios, spread, summarize } from './statistics.ts'

describe('a percentile', () => {
  it('is the value of the nearest rank, and one that was measured', () => {
    const values = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect([0, 0.01, 0.5, 0.99, 1].map((fraction) => percentile(values, fraction))).toEqual([1, 1, 50, 99, 100])
    expect(percentile([7], 0.99)).toBe(7)
  })

  it('of nothing is an error', () => {
    expect(() => percentile([], 0.5)).toThrow('no values')
  })
})

describe('a median', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[9], 9],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected)
  })

  it('of nothing is an error', () => {
    expect(() => median([])).toThrow('no values')
  })

  it('comes with the least and the most, and leaves the values as they were', () => {
    const values = [5, 1, 3]
    expect(spread(values)).toEqual({ median: 3, min: 1, max: 5, count: 3 })
    expect(values).toEqual([5, 1, 3])
  })
})

describe('ratios', () => {
  it('compare round with round, so that a slow moment of the machine cancels out', () => {
    expect(ratios([10, 40, 12], [10, 40, 8])).toEqual([1, 1, 1.5])
  })

  it('need a reference for each round, above 0', () => {
    expect(() => ratios([1, 2], [1])).toThrow('2 rounds against 1')
    expect(() => ratios([1], [0])).toThrow('round 1')
    expect(() => ratios([1], [Number.NaN])).toThrow('round 1')
  })
})

it('a summary names p50, p99, the most and how many', () => {
  expect(summarize([1, 2, 3], 'ms')).toBe('p50 2.0 ms, p99 3.0 ms, max 3.0 ms (3)')
})
