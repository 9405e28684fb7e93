import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatAge, formatBytes, formatCount, formatElapsed } from '../../src/cli/quantities.ts'
import { wrap } from '../../src/cli/wrap.ts'

describe('quantities', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1536, '1.5 KiB'],
    [16 * 2 ** 20, '16 MiB'],
    [2 ** 30 - 1, '1023 MiB'],
    [2 ** 63, '8192 PiB'],
  ])('says %d bytes as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  it.each([
    [-5, '0 ms'],
    [120.4, '120 ms'],
    [3_456, '3.4 s'],
    [59_990, '59.9 s'],
    [60_000, '1 min'],
    [3 * 3_600_000 + 1, '3 h'],
    [50 * 3_600_000, '2 d'],
  ])('says %d ms as %s', (ageMs, text) => expect(formatAge(ageMs)).toBe(text))

  it.each([
    [-1, '0 ms'],
    [0.37, '0.3 ms'],
    [120.4, '120 ms'],
    [1_599, '1.59 s'],
    [59_999, '59.99 s'],
    [312_000, '5 min 12 s'],
    [11_040_000, '3 h 4 min'],
  ])('says that %d ms took %s', (elapsedMs, text) => expect(formatElapsed(elapsedMs)).toBe(text))

  it('counts one thing and several', () => {
    expect([formatCount(0, 'session'), formatCount(1, 'session'), formatCount(2, 'session')]).toEqual([
      '0 sessions',
      '1 session',
      '2 sessions',
    ])
  })
})

describe('a sentence on a terminal', () => {
  const SENTENCE = 'New sessions wait as soon as node1 cannot be reached; running ones stay while that proves nothing.'

  it('is broken at spaces, behind its indent', () => {
    expect(wrap(SENTENCE, 60, '    ')).toEqual([
      'New sessions wait as soon as node1 cannot be reached;',
      '    running ones stay while that proves nothing.',
    ])
  })

  it('stays whole where there is no terminal, or hardly any room', () => {
    expect(wrap(SENTENCE, null, '    ')).toEqual([SENTENCE])
    expect(wrap(SENTENCE, 30, '    ')).toEqual([SENTENCE])
  })

  it('loses no word and fits, whatever the width', () => {
    fc.assert(
      fc.property(fc.integer({ min: 44, max: 120 }), (columns) => {
        const lines = wrap(SENTENCE, columns, '    ')
        expect(lines.map((line) => line.trim()).join(' ')).toBe(SENTENCE)
        for (const [index, line] of lines.entries()) {
          expect((index === 0 ? 4 : 0) + line.length).toBeLessThanOrEqual(columns)
        }
      }),
    )
  })
})
