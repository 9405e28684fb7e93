import { expect, it } from 'vitest'
import { takeTurns } from './rounds.ts'

it('everybody has a turn in each round, and another neighbour in each', async () => {
  const order: string[] = []
  const samples = await takeTurns([{ name: 'a' }, { name: 'b' }, { name: 'c' }], 4, async ({ name }, round) => {
    order.push(name)
    return { round }
  })
  expect(order.join('')).toBe('abcbcacababc')
  expect([...samples.keys()]).toEqual(['a', 'b', 'c'])
  expect(samples.get('b')).toEqual([{ round: 0 }, { round: 1 }, { round: 2 }, { round: 3 }])
})
