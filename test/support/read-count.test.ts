import { expect, it } from 'vitest'
import { readCount } from './read-count.ts'

it('a count is a whole number within its bounds', () => {
  expect([readCount('hours', '12'), readCount('seed', '0', 0)]).toEqual([12, 0])
})

it.each(['nonsense', '', '-1', '0', '1.5', '1e9', 'Infinity', '99999999999999999999'])(
  '%j is none, and is named',
  (text) => {
    expect(() => readCount('hours', text)).toThrow(`--hours: ${JSON.stringify(text)} is no whole number from 1 on`)
  },
)
