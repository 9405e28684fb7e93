import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RECORDS_MAX, SETTLE_MS } from '../../src/observability/failover-journal.ts'
import { FAILOVER_RECORD_SCHEMA, type FailoverRecord } from '../../src/observability/failover-record.ts'
import { SENTENCES_MAX } from '../../src/observability/newest-failover.ts'
import { FAILURE_CLASSES } from '../../src/topology/observation.ts'
import { TOPOLOGY_KINDS } from '../../src/topology/topology-state.ts'
import { answerOf, member } from '../topology/scenario.ts'
import { epochOf, JournalRig, NO_SESSIONS } from './journal-rig.ts'

/** node1 serves on timeline 1, last proven at 1000 with ten sessions. */
function healthy(): JournalRig {
  const rig = new JournalRig({ epoch: epochOf('node1', 1) })
  return rig.at(500).serving('node1', 3).at(1000).serving('node1', 10)
}

const isoAt = (ms: number): string => new Date(Date.parse('2026-01-01T00:00:00.000Z') + ms).toISOString()

/** The primary is lost at 1100, and node2 accepted at 3000 while seven sessions wait. */
function failover(): JournalRig {
  return healthy()
    .at(1100, { lost: 8 })
    .none('node1 refuses connections', { silent: ['node1'], standbys: ['node2'] })
    .tell({ kind: 'fenced', endedCount: 2 })
    .at(2000, { waiting: 7, held: 9 })
    .none('node1 refuses connections', { silent: ['node1'] })
    .at(3000, { expired: 1, waiting: 7 })
    .accepts('node2', 2, 'accepting node2', { silent: ['node1'] })
    .at(3002)
    .serving('node2')
    .tell({ kind: 'first-routed', node: 'node2' })
    .at(3012, { waiting: 0, released: 7 })
    .tell({ kind: 'all-released' })
}

describe('the journal', () => {
  it('has nothing to say while the primary serves', () => {
    expect(healthy().journal.records).toEqual([])
  })

  it('tells a failover with each of its times, its sessions, its nodes and its sentences', () => {
    const elapsed = (ms: number) => ({ at: isoAt(1000 + ms), afterMs: ms })
    expect(failover().journal.records).toEqual([
      {
        id: 1,
        state: 'over',
        kind: 'failover',
        from: { node: 'node1', timelineId: 1 },
        to: { node: 'node2', timelineId: 2 },
        reason: 'accepting node2',
        startedAt: isoAt(1100),
        times: {
          lastGoodProbe: elapsed(0),
          detection: elapsed(100),
          proof: elapsed(2001),
          firstRouted: elapsed(2002),
          allReleased: elapsed(2012),
        },
        sessions: { before: 10, ended: 2, lost: 8, held: 9, released: 7, expired: 1, left: 1 },
        nodes: [{ name: 'node1', role: 'unreachable', timelineId: null, problem: null }],
        decisions: [
          { ...elapsed(100), state: 'no-primary', reason: 'node1 refuses connections' },
          { ...elapsed(2000), state: 'uncertain', reason: 'accepting node2' },
          { ...elapsed(2002), state: 'serving', reason: 'node2 is primary' },
        ],
        decisionsLeftOut: 0,
      },
    ] satisfies FailoverRecord[])
  })

  it('shows one that still goes on as in progress, without an end', () => {
    const { newest } = healthy().at(1100).none('node1 is silent')
    expect(newest).toMatchObject({ state: 'in-progress', kind: 'outage', to: null, reason: 'node1 is silent' })
    expect([newest.times.detection?.afterMs, newest.times.proof]).toEqual([100, null])
  })

  it('calls it an outage when the same primary comes back', () => {
    const rig = healthy().at(1100).none('node1 is silent').at(1900).serving('node1')
    expect(rig.newest).toMatchObject({
      state: 'over',
      kind: 'outage',
      to: { node: 'node1', timelineId: 1 },
      reason: 'node1 is silent',
      times: { proof: { afterMs: 900 }, firstRouted: null, allReleased: null },
    })
  })

  it.each([
    ['was seen to shut down', (rig: JournalRig) => rig.failed('node1', 'shutting-down'), { silent: ['node1'] }],
    ['is a standby already', (rig: JournalRig) => rig, { standbys: ['node1'] }],
    ['is fenced by an operator', (rig: JournalRig) => rig, { fenced: ['node1'] }],
  ])('calls it a switchover when the old primary %s', (_, before, sketch) => {
    const rig = before(healthy().at(1050))
      .at(1100)
      .none('gone', { silent: ['node1'] })
    rig.accepts('node2', 2, 'accepting node2', sketch)
    expect(rig.newest.kind).toBe('switchover')
  })

  it('forgets that a node was seen to shut down once it answers again', () => {
    const answer = answerOf('P1+', member('node1'), [member('node1')])
    const rig = healthy().failed('node1', 'shutting-down')
    rig.tell({ kind: 'observed', node: 'node1', observation: { kind: 'answered', sentAt: 0, receivedAt: 0, answer } })
    const silent = ['node1']
    rig.at(1100).none('gone', { silent }).accepts('node2', 2, 'accepting node2', { silent })
    expect(rig.newest.kind).toBe('failover')
  })

  it('records the first acceptance of a cold start, before which nothing was proven', () => {
    const rig = new JournalRig()
    rig.at(10).decided({ primary: null, at: 0 }, { settled: false })
    expect(rig.journal.records).toEqual([])
    rig.at(20).accepts('node1', 1, 'accepting node1').at(22).serving('node1')
    expect(rig.newest).toMatchObject({ kind: 'first-acceptance', from: null, to: { node: 'node1', timelineId: 1 } })
    expect(rig.newest.times).toMatchObject({ lastGoodProbe: null, proof: { at: isoAt(21), afterMs: null } })
  })

  it('tells an operator’s accept from one by the rules, and that of the primary we have from both', () => {
    const rig = healthy().at(1100)
    rig.tell({ kind: 'accepted', epoch: epochOf('node1', 1) })
    expect(rig.journal.records).toEqual([])
    rig.epoch = epochOf('node2', 1)
    rig
      .tell({ kind: 'accepted', epoch: epochOf('node2', 1) })
      .at(1101)
      .serving('node2')
    expect(rig.newest).toMatchObject({
      state: 'over',
      kind: 'operator-accept',
      reason: "node2 is accepted as primary on timeline 1 by an operator's order",
      times: { lastGoodProbe: { afterMs: 0 }, detection: null, proof: { afterMs: 100 } },
    })
  })

  it('says so when the epoch cannot be written, once', () => {
    const rig = healthy().at(1100).none('gone')
    for (let turn = 0; turn < 3; turn += 1) rig.tell({ kind: 'save-failed', problem: 'EROFS' })
    expect(rig.newest.decisions.map(({ reason }) => reason)).toEqual(['gone', 'the epoch cannot be written: EROFS'])
  })

  it('gives the time of the last release also when the last of those who waited left by itself', () => {
    const rig = healthy().at(1100, { waiting: 2, held: 2 }).none('gone').at(1200).serving('node1')
    rig.at(1300, { waiting: 0, released: 1 }).serving('node1')
    expect(rig.newest).toMatchObject({ times: { allReleased: { afterMs: 300 } }, sessions: { released: 1, left: 1 } })
  })

  it('has no time of a first session where nobody waited for one: that would be the time of the clients', () => {
    const rig = healthy().at(1100).none('gone').at(1200).serving('node1')
    rig.at(9000).tell({ kind: 'first-routed', node: 'node1' })
    expect(rig.newest.times.firstRouted).toBeNull()
  })

  it('leaves a record as it is once things have settled', () => {
    const rig = failover()
    rig.at(3002 + SETTLE_MS + 1).serving('node2')
    const settled = rig.newest
    rig.at(100_000, { held: 50, released: 50, lost: 90 }).serving('node2').tell({ kind: 'fenced', endedCount: 5 })
    expect(rig.newest).toBe(settled)
  })

  it('begins the next one while sessions of the one before still wait', () => {
    const rig = healthy().at(1100, { waiting: 5, held: 5 }).none('gone').at(1200).serving('node1')
    rig.at(1300).none('gone again').at(1400).serving('node1')
    expect(rig.journal.records.map(({ id, state }) => [id, state])).toEqual([
      [1, 'over'],
      [2, 'over'],
    ])
  })

  it('closes what is in progress as interrupted when the proxy ends, and when it was killed', () => {
    expect(healthy().at(1100).none('gone').tell({ kind: 'stopped' }).newest.state).toBe('interrupted')
    const killed = healthy().at(1100).none('gone').journal.records
    const next = new JournalRig({ records: killed, epoch: epochOf('node1', 1) })
    expect(next.newest.state).toBe('interrupted')
    next.at(10).none('gone').at(50).serving('node1')
    expect(next.newest).toMatchObject({
      id: 2,
      state: 'over',
      from: { node: 'node1', timelineId: 1 },
      times: { lastGoodProbe: null, detection: { at: isoAt(10), afterMs: null } },
    })
  })

  it(`keeps the first and the last sentences of many, ${SENTENCES_MAX} in all`, () => {
    const rig = healthy()
    for (let turn = 1; turn <= 100; turn += 1) rig.at(1000 + turn).none(`sentence ${turn}`)
    const { decisions, decisionsLeftOut } = rig.newest
    expect([decisions.length, decisionsLeftOut]).toEqual([SENTENCES_MAX, 80])
    expect([decisions[9]?.reason, decisions[10]?.reason, decisions.at(-1)?.reason]).toEqual([
      'sentence 10',
      'sentence 91',
      'sentence 100',
    ])
  })
})

describe('whatever happens, in whatever order', () => {
  const node = fc.constantFrom('node1', 'node2', 'node3')
  const news = fc.oneof(
    fc.record({ step: fc.constant('serving' as const), node, agoMs: fc.nat(5_000), sessions: fc.nat(100) }),
    fc.record({ step: fc.constant('none' as const), kind: fc.constantFrom(...TOPOLOGY_KINDS), reason: fc.string() }),
    fc.record({ step: fc.constant('unsettled' as const) }),
    fc.record({ step: fc.constant('accepting' as const), node, timelineId: fc.nat(5) }),
    fc.record({ step: fc.constant('accepted' as const), node, timelineId: fc.nat(5) }),
    fc.record({ step: fc.constant('failed' as const), node, failure: fc.constantFrom(...FAILURE_CLASSES) }),
    fc.record({ step: fc.constant('answered' as const), node, said: fc.constantFrom('P1+', 'S?', 'P3-') }),
    fc.record({ step: fc.constant('fenced' as const), endedCount: fc.nat(1_000) }),
    fc.record({ step: fc.constant('first-routed' as const), node }),
    fc.record({ step: fc.constantFrom('all-released' as const, 'stopped' as const, 'restart' as const) }),
    fc.record({ step: fc.constant('save-failed' as const), problem: fc.string() }),
  )
  const turn = fc.record({
    news,
    afterMs: fc.oneof(fc.nat(200), fc.nat(SETTLE_MS * 2)),
    more: fc.record({
      held: fc.nat(50),
      released: fc.nat(50),
      expired: fc.nat(5),
      stopped: fc.nat(5),
      lost: fc.nat(50),
    }),
    waiting: fc.nat(50),
  })
  type Turn = typeof turn extends fc.Arbitrary<infer T> ? T : never

  function take(rig: JournalRig, { news: each, afterMs, more, waiting }: Turn): JournalRig {
    const { tally } = rig
    rig.at(rig.now + afterMs, {
      waiting,
      held: tally.held + more.held,
      released: tally.released + more.released,
      expired: tally.expired + more.expired,
      stopped: tally.stopped + more.stopped,
      lost: tally.lost + more.lost,
    })
    switch (each.step) {
      case 'serving':
        return rig.decided({ primary: each.node, at: rig.now - each.agoMs }, { sessionsOnPrimary: each.sessions })
      case 'none':
        return rig.decided({ primary: null, at: 0, reason: each.reason, silent: ['node1'] }, { kind: each.kind })
      case 'unsettled':
        return rig.decided({ primary: null, at: 0 }, { settled: false })
      case 'accepting':
        return rig.decided({ primary: null, at: 0 }, { accept: epochOf(each.node, each.timelineId) })
      case 'accepted':
        rig.epoch = epochOf(each.node, each.timelineId)
        return rig.tell({ kind: 'accepted', epoch: rig.epoch })
      case 'failed':
        return rig.failed(each.node, each.failure)
      case 'answered': {
        const answer = answerOf(each.said, member(each.node), [member('node1')])
        const observation = { kind: 'answered', sentAt: rig.now, receivedAt: rig.now, answer } as const
        return rig.tell({ kind: 'observed', node: each.node, observation })
      }
      case 'fenced':
        return rig.tell({ kind: 'fenced', endedCount: each.endedCount })
      case 'first-routed':
        return rig.tell({ kind: 'first-routed', node: each.node })
      case 'save-failed':
        return rig.tell({ kind: 'save-failed', problem: each.problem })
      case 'all-released':
      case 'stopped':
        return rig.tell({ kind: each.step })
      case 'restart': {
        const next = new JournalRig({ records: rig.journal.records, epoch: rig.epoch })
        return next.at(rig.now, NO_SESSIONS)
      }
      default: {
        const unhandled: never = each
        return unhandled
      }
    }
  }

  it('the journal stays within its bounds, its ids count up, its times are in order, and it can be read back', () => {
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 80 }), (turns) => {
        let rig = new JournalRig()
        for (const each of turns) rig = take(rig, each)
        const { records } = rig.journal
        expect(records.length).toBeLessThanOrEqual(RECORDS_MAX)
        for (const [index, record] of records.entries()) {
          expect(FAILOVER_RECORD_SCHEMA.parse(JSON.parse(JSON.stringify(record)))).toEqual(record)
          expect(record.decisions.length).toBeLessThanOrEqual(SENTENCES_MAX)
          if (index > 0) expect(record.id).toBe((records[index - 1]?.id ?? 0) + 1)
          if (record.state === 'in-progress') expect(index).toBe(records.length - 1)
          const { lastGoodProbe, detection, proof, firstRouted, allReleased } = record.times
          for (const last of [firstRouted, allReleased]) {
            const moments = [lastGoodProbe, detection, proof, last, ...record.decisions.slice(-1)]
            const inOrder = [lastGoodProbe, detection, proof, last].flatMap((each) => (each === null ? [] : [each]))
            const times = inOrder.map(({ at }) => Date.parse(at))
            expect(times).toEqual(times.toSorted((a, b) => a - b))
            const isProven = lastGoodProbe !== null
            for (const moment of moments) if (moment != null) expect(moment.afterMs !== null).toBe(isProven)
          }
        }
      }),
    )
  })

  it(`only the last ${RECORDS_MAX} are kept`, () => {
    const rig = healthy()
    for (let turns = 0; turns < RECORDS_MAX + 30; turns += 1) {
      rig
        .at(rig.now + 10)
        .none('gone')
        .at(rig.now + 10)
        .serving('node1')
    }
    expect(rig.journal.records.length).toBe(RECORDS_MAX)
    expect([rig.journal.records[0]?.id, rig.newest.id]).toEqual([31, RECORDS_MAX + 30])
  })
})
