import { describe, expect, it } from 'vitest'
import { GOOD_TALLY } from './sample-tally.ts'
import type { Tally } from './tally.ts'
import { brokenPromises } from './verdict.ts'

describe('brokenPromises', () => {
  it('finds none in a good run, whatever the errors of running sessions and logins cut short', () => {
    expect(brokenPromises(GOOD_TALLY)).toEqual([])
  })

  it.each<[rule: string, change: Partial<Tally>, words: string]>([
    ['an application that never wrote', { writesAcknowledged: 0 }, 'could not write'],
    ['a lost write', { writesLost: 1 }, 'not in the database'],
    ['a write on an old primary', { writesOnOldPrimary: 1 }, 'after another had been promoted'],
    ['a read-only error', { readOnlyErrors: 1 }, '25006'],
    ['a refused connection', { connectionsRefused: 1, refusalsByCode: { '57P03': 1 } }, '57P03 x1'],
    [
      'a promoted node that no new session reached',
      { promotions: [{ node: 'node2', toRoutedMs: 3, toFirstSessionMs: null }] },
      'no new session reached node2',
    ],
  ])('names %s', (_, change, words) => {
    const broken = brokenPromises({ ...GOOD_TALLY, ...change })
    expect(broken).toHaveLength(1)
    expect(broken[0]).toContain(words)
  })

  it('names all that are broken', () => {
    expect(brokenPromises({ ...GOOD_TALLY, writesLost: 2, readOnlyErrors: 3 })).toHaveLength(2)
  })
})
