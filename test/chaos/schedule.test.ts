/** The schedule of a chaos run: what a seed promises. */
import { describe, expect, it } from 'vitest'
import { FAULT_KINDS, MAJOR_KINDS } from './fault.ts'
import { planEpisode } from './schedule.ts'

const episodes = (seed: number, count: number) => Array.from({ length: count }, (_, index) => planEpisode(seed, index))

describe('the schedule of a chaos run', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(episodes(7, 20)).toEqual(episodes(7, 20))
    expect(episodes(7, 20)).not.toEqual(episodes(8, 20))
  })

  it('meets every kind of fault in the episodes of ten minutes', () => {
    for (const seed of [1, 2, 3]) {
      const kinds = new Set(episodes(seed, 15).flatMap(({ faults }) => faults.map(({ kind }) => kind)))
      expect(FAULT_KINDS.filter((kind) => !kinds.has(kind))).toEqual([])
    }
  })

  it('has at most one fault of the primary and two others at a time, and never none', () => {
    for (const { faults } of episodes(3, 200)) {
      const majors = faults.filter(({ kind }) => (MAJOR_KINDS as readonly string[]).includes(kind))
      expect(majors.length).toBeLessThanOrEqual(1)
      expect(faults.length).toBeGreaterThanOrEqual(1)
      expect(faults.length).toBeLessThanOrEqual(3)
    }
  })

  it('lists faults by time, each long enough to be one', () => {
    for (const { faults } of episodes(4, 200)) {
      expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).sort((a, b) => a - b))
      expect(Math.min(...faults.map(({ durationMs }) => durationMs))).toBeGreaterThan(1_000)
    }
  })
})
