import { describe, expect, it } from 'vitest'
import { Comparison, comparePlace } from '../../src/observability/comparison.ts'
import type { NodeAnswer, Observation } from '../../src/topology/observation.ts'
import { answerOf, member } from '../topology/scenario.ts'
import { WALL_TIME_AT_ZERO } from './journal-rig.ts'

const MEMBERS = [member('node1'), member('node2')]
const PRIMARY = answerOf('P2+', member('node2'), MEMBERS)
const STALE: NodeAnswer = { ...answerOf('P1+', member('node1'), MEMBERS), postmasterStartedAt: '1' }
const ANSWERS = new Map([
  ['node1', STALE],
  ['node2', PRIMARY],
])

const answered = (answer: NodeAnswer): Observation => ({ kind: 'answered', sentAt: 0, receivedAt: 1, answer })
const moment = (at: number) => ({ at, wallTime: new Date(WALL_TIME_AT_ZERO + at) })

describe('where another proxy leads', () => {
  it.each([
    ['right on the same server, by whatever address', PRIMARY, 'node2', { kind: 'right' }],
    ['wrong on another node', STALE, 'node2', { kind: 'wrong', where: 'node1 (primary on timeline 1)' }],
    [
      'wrong on a server that is none of the nodes',
      { ...PRIMARY, postmasterStartedAt: '77' },
      'node2',
      { kind: 'wrong', where: 'an unknown server (primary on timeline 2)' },
    ],
    ['undecided while there is no primary', STALE, null, { kind: 'undecided', where: 'node1 (primary on timeline 1)' }],
  ])('is %s', (_, answer, primary, place) => {
    expect(comparePlace(answered(answer), primary, ANSWERS)).toEqual(place)
  })

  it('is nowhere when nobody answers there', () => {
    const failed: Observation = { kind: 'failed', sentAt: 0, receivedAt: 1, failure: 'refused', detail: 'x' }
    expect(comparePlace(failed, 'node2', ANSWERS)).toEqual({ kind: 'nowhere', where: 'refused' })
  })
})

describe('the comparison', () => {
  it('adds up the time in each place, from one question to the next, and lists runs of what was not right', () => {
    const comparison = new Comparison('pg:5432')
    const wrong = { kind: 'wrong', where: 'node1 (in recovery)' } as const
    comparison.take({ kind: 'right' }, moment(0))
    comparison.take(wrong, moment(1_000))
    comparison.take(wrong, moment(2_000))
    comparison.take({ kind: 'right' }, moment(3_000))
    comparison.take({ kind: 'nowhere', where: 'refused' }, moment(4_000))

    expect(comparison.read({ at: 4_500 })).toEqual({
      address: 'pg:5432',
      asked: 5,
      ms: { right: 2_000, wrong: 2_000, undecided: 0, nowhere: 500 },
      last: [
        { since: '2026-01-01T00:00:01.000Z', forMs: 2_000, kind: 'wrong', where: 'node1 (in recovery)' },
        { since: '2026-01-01T00:00:04.000Z', forMs: 500, kind: 'nowhere', where: 'refused' },
      ],
    })
    expect(comparison.read({ at: 5_000 }).ms.nowhere).toBe(1_000)
  })
})
