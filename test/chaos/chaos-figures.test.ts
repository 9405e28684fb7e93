/** When a chaos run has shown something. */
import { describe, expect, it } from 'vitest'
import { type ChaosFigures, enoughHappened, failoverCount, formatFaults } from './chaos-figures.ts'
import type { EpisodeReport } from './episode.ts'

const moved: EpisodeReport = {
  faults: [
    { kind: 'primary-killed', problem: null },
    { kind: 'proxy-upgraded', problem: 'the upgrade failed' },
  ],
  primaryBefore: 'node1',
  primaryAfter: 'node2',
}
const stayed: EpisodeReport = { ...moved, primaryAfter: 'node1' }

function figures(reports: readonly EpisodeReport[], writesAcknowledged: number): ChaosFigures {
  const clients = {
    writesAcknowledged,
    writesUnknown: 0,
    writesFailed: {},
    writesLost: 0,
    readsAnswered: 0,
    sessionsOpened: 0,
    connectsRefused: {},
    sessionsEnded: {},
    sessionsOutlivedDoubt: 0,
    longestConnectMs: 0,
    longestStallMs: {},
    takeovers: [],
  }
  return { seed: 1, seconds: 200, cpuSeconds: 100, mebibytes: 190, reports, clients }
}

describe('a chaos run', () => {
  it('has shown something when primaries moved, faults happened and clients wrote', () => {
    expect(enoughHappened(figures([moved, moved], 1_000), 3)).toEqual([])
  })

  it('fails when no primary ever moved, hardly anything happened, or hardly anybody wrote', () => {
    expect(enoughHappened(figures([stayed, stayed], 1_000), 3)).toEqual(['only 0 failovers, 1 are the least'])
    expect(enoughHappened(figures([moved], 1_000), 3)).toEqual(['only 2 faults in 3 minutes'])
    expect(enoughHappened(figures([moved, moved], 599), 3)).toEqual(['only 599 writes, 600 are the least'])
    expect(enoughHappened(figures([], 0), 3)).toHaveLength(3)
  })

  it('fails when a fault could not be put in place, but for orders that others may have made impossible', () => {
    const failed: EpisodeReport = { ...moved, faults: [{ kind: 'proxy-frozen', problem: 'it ran on' }] }
    expect(enoughHappened(figures([moved, failed], 1_000), 3)).toEqual(['proxy-frozen did not work: it ran on'])
  })

  it('counts failovers by episode, and tells which faults did not work', () => {
    expect(failoverCount([moved, stayed, moved])).toBe(2)
    const lines = formatFaults(figures([moved, stayed], 1)).join('\n')
    expect(lines).toContain('2 episodes, 4 faults of 2 kinds')
    expect(lines).toMatch(/proxy-upgraded +2 {2}2 did not work/)
    expect(lines).toContain('0.50 cores on average, 190 MiB')
  })
})
