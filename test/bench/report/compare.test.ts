import { describe, expect, it } from 'vitest'
import { comparisonTable, ratioTarget, type Samples, showSpread } from './compare.ts'
import { isReached } from './section.ts'

const SAMPLES: Samples = new Map([
  [
    'PostgreSQL',
    [
      { tps: 3000, cpu: null },
      { tps: 1500, cpu: null },
      { tps: 3300, cpu: null },
    ],
  ],
  [
    'pgha-proxy',
    [
      { tps: 1000, cpu: 11 },
      { tps: 500, cpu: 22 },
      { tps: 1100, cpu: 11 },
    ],
  ],
  [
    'HAProxy',
    [
      { tps: 1000, cpu: 10 },
      { tps: 500, cpu: 20 },
      { tps: 1000, cpu: 10 },
    ],
  ],
])
const METRICS = [
  { key: 'tps', title: 'transactions/s', digits: 0 },
  { key: 'cpu', title: 'CPU, µs', digits: 1 },
]

describe('a comparison', () => {
  it('has medians with least and most, and ratios of the same round', () => {
    expect(comparisonTable('t', SAMPLES, METRICS)).toEqual({
      title: 't',
      columns: ['', 'transactions/s', 'x HAProxy', 'CPU, µs', 'x HAProxy'],
      rows: [
        ['PostgreSQL', '3,000 (1,500 to 3,300)', '3.00 (3.00 to 3.30)', '-', '-'],
        ['pgha-proxy', '1,000 (500 to 1,100)', '1.00 (1.00 to 1.10)', '11.0 (11.0 to 22.0)', '1.10 (1.10 to 1.10)'],
        ['HAProxy', '1,000 (500 to 1,000)', '1.00 (1.00 to 1.00)', '10.0 (10.0 to 20.0)', '1.00 (1.00 to 1.00)'],
      ],
    })
  })

  it('has no column of ratios when the reference is not there', () => {
    const alone: Samples = new Map([['pgha-proxy', [{ tps: 1000 }]]])
    expect(comparisonTable('t', alone, METRICS.slice(0, 1))).toMatchObject({
      columns: ['', 'transactions/s'],
      rows: [['pgha-proxy', '1,000']],
    })
  })

  it('shows one round without a range', () => {
    expect(showSpread({ median: 1234.56, min: 1234.56, max: 1234.56, count: 1 }, 1)).toBe('1,234.6')
  })
})

describe('a target', () => {
  const most = (value: number) => ({ kind: 'at-most', value }) as const

  it('is reached by the median of the ratios, its limit included', () => {
    const target = ratioTarget('CPU', SAMPLES, 'cpu', most(1.1))
    expect(target).toMatchObject({ value: 1.1, range: [1.1, 1.1] })
    expect(isReached(target)).toBe(true)
    expect(isReached({ ...target, limit: most(1.09) })).toBe(false)
    expect(isReached({ ...target, limit: { kind: 'at-least', value: 1.1 } })).toBe(true)
    expect(isReached({ ...target, limit: { kind: 'at-least', value: 1.11 } })).toBe(false)
  })

  it('is neither reached nor missed when one of the two was not measured', () => {
    const target = ratioTarget('CPU', SAMPLES, 'cpu', most(1.1), { reference: 'nginx' })
    expect(target).toMatchObject({ value: null, missing: 'nginx was not measured' })
    expect(isReached(target)).toBeNull()
  })
})
