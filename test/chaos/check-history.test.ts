import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkHistory } from './check-history.ts'
import { parseLine } from './history-file.ts'
import { ADMIN_SHUTDOWN, MadeHistory, NO_PRIMARY, view } from './made-history.ts'
import { formatReport } from './report.ts'
import { parseTimelineHistory } from './tables.ts'
import { RULES } from './violation.ts'

/** Some of everything. */
function rich(): MadeHistory {
  const history = new MadeHistory()
    .truth('node1', { timelineId: 1, to: 10_000 })
    .truth('node2', { timelineId: 2, from: 11_000, to: 20_000 })
    .fault({ down: ['node1'], cut: [['node1', 'proxy1']] }, 10_000, 15_000)
    .fault({ frozen: ['proxy1'], forgets: ['proxy2'] }, 12_000, 13_000)
    .operator('rejoin', 'node1', 16_000, 17_000)
    .accepted('proxy1', 11_100, 'node2', 2)
    .decision('proxy1', 11_200, 'serving', 'node2')
    .started('proxy2', 500)
    .phase('healed', 17_500)
    .phase('calm', 19_000)
  history
    .open('steady', 1_000)
    .write(1, 1_100)
    .fails(2, 10_050, ADMIN_SHUTDOWN, 'unknown')
    .closed(10_060, 'other', ADMIN_SHUTDOWN)
  history
    .open('steady', 11_200)
    .write(3, 11_300, view('node2', 2), '0/700', false, 1)
    .write(4, 18_000, view('node2', 2), '0/800', false, 3)
    .closed(19_500)
  history.open('idle-1', 2_000).twice(1, 2_100, null, 1).closed(2_200)
  history.open('reader', 3_000, 'read').read('steady', 3_100, 1).read('steady', 18_100, 3).closed(18_200)
  history.connect('crowd-1', 10_100).refused(10_500, NO_PRIMARY)
  return history.final({ node: 'node2', timelineId: 2 })
}

describe('the checker', () => {
  it('finds nothing wrong with a failover as it should be, in whatever order its events come', () => {
    expect(rich().broken()).toEqual([])
    const { events } = rich()
    const reversed = checkHistory({ events: [...events].reverse(), malformed: [] }, rich().finalState())
    expect(reversed.violations).toEqual([])
  })

  it('counts what the clients went through', () => {
    const { figures } = checkHistory({ events: rich().events, malformed: [] }, rich().finalState())
    expect(figures).toMatchObject({
      writesAcknowledged: 4,
      writesUnknown: 1,
      writesFailed: {},
      writesLost: 0,
      readsAnswered: 2,
      sessionsOpened: 4,
      connectsRefused: { '57P03': 1 },
      sessionsEnded: { '57P01': 1 },
      longestConnectMs: 10,
    })
    expect(figures.longestStallMs).toEqual({ steady: 10_200, reader: 15_000 })
  })

  it('counts the time from a promotion in plain sight to a session', () => {
    const history = new MadeHistory()
      .truth('node2', { timelineId: 2, from: 10_000 })
      .accepted('proxy1', 10_040, 'node2', 2)
    history.open('a', 10_050).write(1, 10_100, view('node2', 2)).closed(11_000)
    const check = (): readonly unknown[] =>
      checkHistory({ events: history.events, malformed: [] }, null).figures.takeovers
    expect(check()).toMatchObject([{ node: 'node2', toAcceptedMs: 40, toSessionMs: 60, toWriteMs: 110 }])
    history.fault({ cut: [['node2', 'proxy1']] }, 9_000, 10_010)
    expect(check()).toEqual([])
  })

  it('tells of lines that are no events, and of events that belong to nothing', () => {
    const { violations } = checkHistory({ events: [], malformed: ['clients1.jsonl:3: nonsense'] }, rich().finalState())
    expect(violations.find(({ text }) => text.includes('clients1.jsonl:3'))?.rule).toBe('history')
    const { history } = new MadeHistory().open('a', 1_000)
    history.events.push({ kind: 'closed', at: 2_000, session: 'nobody', by: 'client', error: null })
    expect(history.broken()).toEqual(['history'])
  })

  it('never throws, whatever is missing or out of order, and neither does its report', () => {
    const { events } = rich()
    const subset = fc.shuffledSubarray(events, { minLength: 0, maxLength: events.length })
    const times = fc.option(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { maxLength: 20 }))
    fc.assert(
      fc.property(subset, times, fc.boolean(), (some, moved, hasFinal) => {
        const changed = some.map((event, i) => ({ ...event, at: moved?.[i] ?? event.at }))
        const result = checkHistory({ events: changed, malformed: [] }, hasFinal ? rich().finalState() : null)
        for (const { rule } of result.violations) expect(RULES).toHaveProperty(rule)
        const lines = formatReport(result, 0)
        expect(lines.every((line) => line.length <= 160)).toBe(true)
        const isKept = lines.at(-1) === 'No promise was broken.'
        expect(isKept).toBe(result.violations.length === 0)
      }),
      { numRuns: 60 },
    )
  })
})

describe('the report', () => {
  it('tells each violation with what happened around it', () => {
    const history = new MadeHistory().fault({ frozen: ['node1'] }, 19_000, 21_000).truth('node1', { timelineId: 1 })
    history.open('a', 1_000).write(1, 2_000).closed(20_000, 'other', ADMIN_SHUTDOWN)
    const lines = formatReport(checkHistory({ events: history.events, malformed: [] }, history.finalState()), 0)
    expect(lines).toContain(`${RULES['ended-without-proof']} [ended-without-proof]`)
    expect(lines.join('\n')).toMatch(/19\.000 s {2}fault 1 begin/)
    expect(lines.join('\n')).toMatch(/a\.1000 is closed by other: 57P01/)
    expect(lines.at(-1)).toBe('1 violations: ended-without-proof x1')
  })
})

describe('lines of a history', () => {
  it('are read as they were written', () => {
    for (const event of rich().events) expect(parseLine(JSON.stringify(event))).toEqual(event)
  })

  it('that are no events give a sentence', () => {
    expect(parseLine('')).toBeNull()
    for (const line of [
      '{',
      'null',
      '[]',
      '{"kind":"truth"}',
      '{"kind":"other","at":1}',
      '{"kind":"phase","at":"1"}',
    ]) {
      expect(parseLine(line), line).toBeTypeOf('string')
    }
    expect(parseLine(`"${'x'.repeat(300_000)}"`)).toMatch(/^a line of/)
  })

  it('cut off anywhere never throw', () => {
    const lines = rich().events.map((event) => JSON.stringify(event))
    fc.assert(
      fc.property(fc.constantFrom(...lines), fc.double({ min: 0, max: 1, noNaN: true }), (line, share) => {
        const cut = line.slice(0, Math.min(line.length - 1, Math.floor(line.length * share)))
        const read = parseLine(cut)
        expect(read === null || typeof read === 'string').toBe(true)
      }),
    )
  })
})

describe('a timeline history file', () => {
  it('is read line by line, and anything else left out', () => {
    const text = '1\t0/3000148\tno recovery target specified\n\n2\t0/5000A20\tno recovery target specified\nnonsense\n'
    expect(parseTimelineHistory(text)).toEqual([
      { timelineId: 1, endLsn: 0x3000148n },
      { timelineId: 2, endLsn: 0x5000a20n },
    ])
  })
})
