import { describe, expect, it } from 'vitest'
import { takeTurns } from './rounds.ts'

const undisturbed = () => () => false

describe('takeTurns', () => {
  it('gives everybody a turn in each round, and another neighbour in each', async () => {
    const order: string[] = []
    const measure = async ({ name }: { readonly name: string }, round: number) => {
      order.push(name)
      return { round }
    }
    const samples = await takeTurns([{ name: 'a' }, { name: 'b' }, { name: 'c' }], 4, measure, undisturbed)
    expect(order.join('')).toBe('abcbcacababc')
    expect([...samples.keys()]).toEqual(['a', 'b', 'c'])
    expect(samples.get('b')).toEqual([{ round: 0 }, { round: 1 }, { round: 2 }, { round: 3 }])
  })

  it('begins a disturbed round anew, for all', async () => {
    const disturbed = [false, true, false]
    let turn = 0
    const samples = await takeTurns(
      [{ name: 'a' }, { name: 'b' }],
      2,
      async () => {
        turn += 1
        return { turn }
      },
      () => () => disturbed.shift() === true,
    )
    expect(Object.fromEntries(samples)).toEqual({ a: [{ turn: 1 }, { turn: 6 }], b: [{ turn: 2 }, { turn: 5 }] })
  })

  it('takes what it gets when it is always disturbed', async () => {
    let turns = 0
    const samples = await takeTurns(
      [{ name: 'a' }],
      3,
      async () => {
        turns += 1
        return { turns }
      },
      () => () => true,
    )
    expect(turns).toBe(6)
    expect(samples.get('a')).toHaveLength(3)
  })
})
