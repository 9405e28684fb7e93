import { describe, expect, it } from 'vitest'
import { LISTED_MAX, ObservationRecord } from '../../src/observability/observation-report.ts'
import type { Observation } from '../../src/topology/observation.ts'
import { initialState, type TopologyState } from '../../src/topology/topology-state.ts'
import { type DecisionSketch, decide } from '../net/decision-builder.ts'
import { epochOf, WALL_TIME_AT_ZERO } from './journal-rig.ts'

const SECOND = 1_000

function setUp() {
  const record = new ObservationRecord()
  let epoch = epochOf('node1', 1)
  return {
    record,
    accept: (node: string, timelineId: number): void => {
      epoch = epochOf(node, timelineId)
    },
    decided: (at: number, sketch: Omit<DecisionSketch, 'at'>, warnings: string[] = [], settled = true): void => {
      const state: TopologyState = { ...initialState(epoch, [], 0), settled }
      const moment = { at, wallTime: new Date(WALL_TIME_AT_ZERO + at) }
      record.takeDecision({ ...decide({ ...sketch, at }), warnings }, state, moment)
    },
    read: (at: number) => record.read({ at }),
  }
}

describe('the report of --observe', () => {
  it('is empty until every node has been asked', () => {
    const { decided, read } = setUp()
    decided(0, { primary: null }, [], false)

    expect(read(5 * SECOND)).toMatchObject({
      since: null,
      forMs: 0,
      now: null,
      states: [],
      holds: { count: 0, forMs: 0 },
    })
  })

  it('says for how long each state held, where sessions would have gone and how long they would have waited', () => {
    const { decided, accept, read } = setUp()
    decided(0, { primary: 'node1', standbys: ['node2'] })
    decided(60 * SECOND, { primary: null, silent: ['node1'], standbys: ['node2'], reason: 'node1 refuses connections' })
    decided(61 * SECOND, { primary: null, silent: ['node1'], standbys: ['node2'], reason: 'still' })
    accept('node2', 2)
    decided(62 * SECOND, { primary: 'node2', silent: ['node1'] })
    decided(90 * SECOND, { primary: 'node2', silent: ['node1'] })
    const report = read(100 * SECOND)

    expect(report).toMatchObject({ since: '2026-01-01T00:00:00.000Z', forMs: 100 * SECOND, changes: 1 })
    expect(report.now).toEqual({ state: 'serving', primary: 'node2', reason: 'node2 is primary' })
    expect(report.states).toEqual([
      { state: 'serving', forMs: 98 * SECOND, percent: 98 },
      { state: 'uncertain', forMs: 2 * SECOND, percent: 2 },
    ])
    expect(report.routed).toEqual([
      { node: 'node1', forMs: 60 * SECOND, percent: 60 },
      { node: 'node2', forMs: 38 * SECOND, percent: 38 },
    ])
    expect(report.primaries).toEqual([
      { node: 'node1', timelineId: 1, since: '2026-01-01T00:00:00.000Z' },
      { node: 'node2', timelineId: 2, since: '2026-01-01T00:01:02.000Z' },
    ])
    expect(report.holds).toEqual({
      count: 1,
      forMs: 2 * SECOND,
      percent: 2,
      longestMs: 2 * SECOND,
      last: [{ since: '2026-01-01T00:01:00.000Z', forMs: 2 * SECOND, reason: 'node1 refuses connections' }],
    })
  })

  it('counts a hold that is not over, as long as it lasts', () => {
    const { decided, read } = setUp()
    decided(0, { primary: null, reason: 'nobody' })

    expect(read(3 * SECOND).holds).toMatchObject({ count: 1, forMs: 3 * SECOND, longestMs: 3 * SECOND, percent: 100 })
    expect(read(5 * SECOND).holds).toMatchObject({ count: 1, forMs: 5 * SECOND, last: [{ forMs: 5 * SECOND }] })
  })

  it('says when sessions would have been ended, and why; once for each time that they could be there', () => {
    const { decided, read } = setUp()
    decided(0, { primary: 'node1', standbys: ['node2'] })
    decided(1 * SECOND, { primary: null, silent: ['node1'], standbys: ['node2'] })
    expect(read(1 * SECOND).ends.count).toBe(0)
    decided(2 * SECOND, { primary: 'node2', ending: ['node1'] })
    decided(3 * SECOND, { primary: 'node2', ending: ['node1'] })
    decided(4 * SECOND, { primary: null, ending: ['node1'], fenced: ['node2'] })

    expect(read(5 * SECOND).ends).toEqual({
      count: 2,
      last: [
        { at: '2026-01-01T00:00:02.000Z', node: 'node1', why: 'is standby' },
        { at: '2026-01-01T00:00:04.000Z', node: 'node2', why: 'is fenced by an operator' },
      ],
    })
  })

  it('does not take a standby for a node with sessions that would have to end', () => {
    const { decided, read } = setUp()
    decided(0, { primary: 'node1', ending: ['node2'] })
    expect(read(SECOND).ends.count).toBe(0)
  })

  it('adds up how long and how often each warning was on', () => {
    const { decided, read } = setUp()
    const on = { primary: 'node1' }
    decided(0, on, ['a'])
    decided(2 * SECOND, on, ['a', 'b'])
    decided(3 * SECOND, on, ['b'])
    decided(6 * SECOND, on, ['a', 'b'])

    expect(read(10 * SECOND).warnings).toEqual([
      { warning: 'a', times: 2, forMs: 7 * SECOND, isOn: true },
      { warning: 'b', times: 1, forMs: 8 * SECOND, isOn: true },
    ])
  })

  it('counts probes and their failures by node and class', () => {
    const { record, read } = setUp()
    const failed: Observation = { kind: 'failed', sentAt: 0, receivedAt: 1, failure: 'timeout', detail: '' }
    record.takeObservation('node1', failed)
    record.takeObservation('node1', failed)
    record.takeObservation('node1', { ...failed, failure: 'refused' })
    record.takeObservation('node2', failed)

    expect(read(0).probes).toEqual([
      { node: 'node1', asked: 3, failed: { timeout: 2, refused: 1 } },
      { node: 'node2', asked: 1, failed: { timeout: 1 } },
    ])
  })

  it('is bounded, whatever happens: lists keep the last, counts go on', () => {
    const { record, decided, accept, read } = setUp()
    for (let turn = 0; turn < 1_000; turn += 1) {
      accept(turn % 2 === 0 ? 'node1' : 'node2', turn + 1)
      decided(
        turn * 10,
        { primary: turn % 2 === 0 ? 'node1' : 'node2', ending: [turn % 2 === 0 ? 'node2' : 'node1'] },
        [`warning ${turn}`],
      )
      decided(turn * 10 + 5, { primary: null })
      record.takeObservation(`node${turn}`, { kind: 'failed', sentAt: 0, receivedAt: 1, failure: 'dns', detail: '' })
    }
    const { changes, primaries, holds, ends, warnings, probes } = read(10_000)

    expect([changes, holds.count, ends.count > 500]).toEqual([999, 1_000, true])
    for (const list of [primaries, ends.last, warnings, probes]) expect(list.length).toBeLessThanOrEqual(LISTED_MAX)
    expect(holds.last.length).toBeLessThanOrEqual(LISTED_MAX + 1)
    expect(primaries.at(-1)).toMatchObject({ timelineId: 1_000 })
  })
})
