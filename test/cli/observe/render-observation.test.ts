import { describe, expect, it } from 'vitest'
import { renderObservation } from '../../../src/cli/observe/render-observation.ts'
import type { WholeReport } from '../../../src/daemon/observer.ts'

const SECOND = 1_000
const QUIET: WholeReport = {
  since: '2026-01-01T00:00:00.000Z',
  forMs: 60 * SECOND,
  now: { state: 'serving', primary: 'node1', reason: 'node1 is primary on timeline 1' },
  states: [{ state: 'serving', forMs: 60 * SECOND, percent: 100 }],
  routed: [{ node: 'node1', forMs: 60 * SECOND, percent: 100 }],
  primaries: [{ node: 'node1', timelineId: 1, since: '2026-01-01T00:00:00.000Z' }],
  changes: 0,
  holds: { count: 0, forMs: 0, percent: 0, longestMs: 0, last: [] },
  ends: { count: 0, last: [] },
  warnings: [],
  probes: [{ node: 'node1', asked: 120, failed: {} }],
  compared: null,
}

describe('the report of --observe for people', () => {
  it('says that nothing was amiss when nothing was', () => {
    expect(
      renderObservation(QUIET),
    ).toBe(`Observed for 1 min 0 s, from 2026-01-01 00:00:00 UTC. At the end: serving, node1 is primary on timeline 1.

States
  serving      100.00 %  1 min 0 s

New sessions would have
  gone to node1 100.00 %  1 min 0 s
  waited         0.00 %  0 ms, 0 times

Running sessions would have been ended by the proxy
  never

Primaries
  0 changes
    2026-01-01 00:00:00  node1, timeline 1

Warnings
  none

Probes
  node1: 120 asked, none failed
`)
  })

  it('says what would have waited and ended, what was wrong, and where the other proxy led', () => {
    const text = renderObservation({
      ...QUIET,
      holds: {
        count: 2,
        forMs: 3 * SECOND,
        percent: 5,
        longestMs: 2 * SECOND,
        last: [{ since: '2026-01-01T00:00:30.000Z', forMs: 2 * SECOND, reason: 'node1 refuses connections' }],
      },
      ends: { count: 1, last: [{ at: '2026-01-01T00:00:30.000Z', node: 'node1', why: 'is standby' }] },
      warnings: [{ warning: 'node1 says little', times: 2, forMs: 1_500, isOn: true }],
      probes: [{ node: 'node1', asked: 120, failed: { timeout: 3, refused: 1 } }],
      compared: {
        address: 'pg:5432',
        asked: 60,
        ms: { right: 50 * SECOND, wrong: 10 * SECOND, undecided: 0, nowhere: 0 },
        last: [{ since: '2026-01-01T00:00:40.000Z', forMs: 10 * SECOND, kind: 'wrong', where: 'node2 (in recovery)' }],
      },
    })

    for (const line of [
      '  waited         5.00 %  3.00 s, 2 times, 2.00 s at the longest',
      '    2026-01-01 00:00:30  2.00 s: node1 refuses connections',
      '  1 time\n    2026-01-01 00:00:30  on node1: it is standby',
      '  1.50 s, 2 times, still on: node1 says little',
      '  node1: 120 asked, failed: 3 timeout, 1 refused',
      'The proxy at pg:5432, asked 60 times, led',
      '  elsewhere                              10.00 s',
      '    2026-01-01 00:00:40  10.00 s wrong: node2 (in recovery)',
    ]) {
      expect(text).toContain(`${line}\n`)
    }
  })

  it('shows the last of a long list', () => {
    const last = Array.from({ length: 100 }, (_, index) => ({
      at: `2026-01-01T00:00:00.000Z`,
      node: `node${index}`,
      why: 'is standby',
    }))
    const text = renderObservation({ ...QUIET, ends: { count: 100, last } })

    expect(text).toContain('on node99: it is standby')
    expect(text).not.toContain('on node79: it is standby')
  })

  it('says that nothing was observed when it ended before every node had been asked', () => {
    expect(renderObservation({ ...QUIET, since: null, now: null })).toBe(
      'Nothing was observed: not every node has been asked yet.\n',
    )
  })
})
