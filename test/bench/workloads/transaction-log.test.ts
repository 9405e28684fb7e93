import { expect, it } from 'vitest'
import { latenciesOf } from './transaction-log.ts'

it('the latencies of a log are those behind its first second', () => {
  const log = '0 0 500 0 1700000000 100000 20\n1 0 300 0 1700000000 900000 10\n0 1 250 0 1700000001 200000 5\n'
  expect(latenciesOf(log)).toEqual([0.25])
})

it('a log with a failed transaction is not read', () => {
  expect(() => latenciesOf('0 0 failed 0 1700000000 100000\n')).toThrow('not a transaction: 0 0 failed')
})
