import { describe, expect, it } from 'vitest'
import { FencingRounds } from '../../src/workers/fencing-rounds.ts'

describe('a round of fencing', () => {
  it('is complete when every worker that was asked has confirmed it', () => {
    const rounds = new FencingRounds()
    const round = rounds.begin([1, 2], 0)
    expect(rounds.isComplete).toBe(false)
    rounds.confirm(1, round)
    rounds.confirm(1, round)
    expect(rounds.isComplete).toBe(false)
    rounds.confirm(2, round)
    expect(rounds.isComplete).toBe(true)
  })

  it('is complete at once without workers', () => {
    const rounds = new FencingRounds()
    rounds.begin([], 0)
    expect(rounds.isComplete).toBe(true)
  })

  it('waits for nobody who is gone', () => {
    const rounds = new FencingRounds()
    const round = rounds.begin([1, 2], 0)
    rounds.confirm(1, round)
    rounds.leave(2)
    expect(rounds.isComplete).toBe(true)
  })

  it('is not confirmed by an answer to the one before', () => {
    const rounds = new FencingRounds()
    const first = rounds.begin([1], 0)
    const second = rounds.begin([1], 10)
    rounds.confirm(1, first)
    expect(rounds.isComplete).toBe(false)
    rounds.confirm(1, second)
    expect(rounds.isComplete).toBe(true)
  })

  it('is confirmed together with those before it', () => {
    const rounds = new FencingRounds()
    rounds.begin([1], 0)
    rounds.confirm(1, rounds.begin([1], 10))
    expect(rounds.isComplete).toBe(true)
  })

  it('gives a worker its time from the first question that it has not answered: new ones do not put it off', () => {
    const rounds = new FencingRounds()
    rounds.begin([1, 2], 0)
    const second = rounds.begin([1, 2], 900)
    expect(rounds.isOverdue(1, 999, 1000)).toBe(false)
    rounds.confirm(2, second)
    expect([1, 2].map((worker) => rounds.isOverdue(worker, 1000, 1000))).toEqual([true, false])
  })

  it('gives one that answers late, but answers, its time anew', () => {
    const rounds = new FencingRounds()
    const first = rounds.begin([1], 0)
    rounds.begin([1], 900)
    rounds.confirm(1, first)
    expect([rounds.isOverdue(1, 1500, 1000), rounds.isOverdue(1, 1900, 1000)]).toEqual([false, true])
  })
})
