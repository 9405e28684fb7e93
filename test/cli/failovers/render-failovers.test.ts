import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseFailovers } from '../../../src/cli/failovers/parse-failovers.ts'
import { renderFailover } from '../../../src/cli/failovers/render-failover.ts'
import { renderFailovers } from '../../../src/cli/failovers/render-failovers.ts'
import { createPaint } from '../../../src/cli/paint.ts'
import type { FailoverRecord } from '../../../src/observability/failover-record.ts'
import { journalRecords } from './records.ts'

const LAYOUT = { paint: createPaint(false), columns: null }
const RECORDS = journalRecords()

function record(id: number): FailoverRecord {
  const found = RECORDS.find((each) => each.id === id)
  if (found === undefined) throw new Error(`there is no record ${id}`)
  return found
}

describe('the table of failovers', () => {
  it('has a line for each, with every time counted from the one that it waits for', () => {
    expect(renderFailovers(RECORDS.toReversed(), LAYOUT)).toBe(
      [
        'ID  STARTED (UTC)        KIND                 FROM       TO         DETECTION   PROOF  FIRST SESSION  ALL RELEASED  ENDED  HELD  EXPIRED',
        ' 4  2026-01-01 00:06:40  outage, in progress  node2 (2)  -                  -       -              -             -      0     0        0',
        ' 3  2026-01-01 00:05:00  outage, interrupted  node2 (2)  -              60 ms       -              -             -      0     0        0',
        ' 2  2026-01-01 00:01:40  failover             node1 (1)  node2 (2)      52 ms  1.44 s           1 ms         39 ms     10     9        1',
        ' 1  2026-01-01 00:00:00  first-acceptance     -          node1 (1)          -    1 ms              -             -      0     0        0',
      ].join('\n'),
    )
  })

  it('says so when there is none', () => {
    expect(renderFailovers([], LAYOUT)).toContain('The journal is empty')
  })
})

describe('one failover in full', () => {
  it('is a timeline of its moments and sentences, with its sessions and nodes', () => {
    expect(renderFailover(record(2), LAYOUT)).toBe(
      [
        'failover 2  node1 on timeline 1 -> node2 on timeline 2, started 2026-01-01 00:01:40 UTC',
        '    accepting node2 as primary on timeline 2: node1 refuses connections',
        '',
        '     +0 ms  the last good probe of node1 was sent',
        '    +52 ms  new sessions wait from here on',
        '    +52 ms  no-primary: node1, primary on timeline 1, refuses connections',
        '  +1.500 s  uncertain: accepting node2 as primary on timeline 2: node1 refuses connections',
        '  +1.501 s  node2 is accepted, and that is on disk',
        '  +1.502 s  serving: node2 is primary',
        '  +1.502 s  the first session is routed to node2',
        '  +1.540 s  the last held session is released',
        '',
        '  sessions on node1 before: 10; 2 ended by the proxy, 8 lost with the server',
        '  held: 9, of which 7 released, 1 expired, 1 left',
        '',
        '  NODE   ROLE',
        '  node1  unreachable',
      ].join('\n'),
    )
  })

  it('has the time of day where no good probe is known, and no end while it goes on', () => {
    const text = renderFailover(record(4), LAYOUT)
    expect(text).toContain('outage, in progress 4  node2 on timeline 2 -> nobody')
    expect(text).toContain('  00:06:40.000  new sessions wait from here on')
  })

  it('says how many sentences were left out', () => {
    expect(renderFailover({ ...record(2), decisionsLeftOut: 3 }, LAYOUT)).toContain(
      '3 sentences in the middle left out',
    )
  })

  it('fits a terminal of 80 columns, is the same below its colours, and cannot play tricks on the terminal', () => {
    const evil = { ...record(2), reason: 'a\x1b]0;owned\x07b '.repeat(20) }
    const lines = renderFailover(evil, { ...LAYOUT, columns: 80 })
    expect(Math.max(...lines.split('\n').map((line) => line.length))).toBeLessThanOrEqual(88)
    expect(lines).not.toMatch(/[^\P{Cc}\n]/u)
    const colourful = renderFailover(record(2), { paint: createPaint(true), columns: null })
    expect(stripVTControlCharacters(colourful)).toBe(renderFailover(record(2), LAYOUT))
  })
})

describe('the answer of a proxy', () => {
  it('is read as it was written', () => {
    const body = { total: RECORDS.length, failovers: RECORDS }
    expect(parseFailovers(JSON.parse(JSON.stringify(body)))).toEqual(body)
  })

  it.each([undefined, null, [], {}, { total: 1, failovers: [{ id: 0 }] }])('is none when it is %j', (body) => {
    expect(parseFailovers(body)).toBeNull()
  })
})
