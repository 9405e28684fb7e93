import { describe, expect, it } from 'vitest'
import { HINTED_PROBE_GAP_MS } from '../../src/probe/node-loop.ts'
import { FAST_INTERVAL_MS, INTERVAL_MS, setUpHealthLoop } from './health-loop-setup.ts'

const HEALTHY = { node1: 'P1+', node2: 'S1<node1' }
/** Longer than the fast pace after the start. */
const LONG_MS = 60_000

describe('HealthLoop in a hurry', () => {
  it('asks every node at once, at the fast pace for as long as it was told, and at the steady pace after that', async () => {
    const { clock, loop, timesAsked } = setUpHealthLoop({ says: HEALTHY })
    loop.start()
    await clock.advanceSettled(LONG_MS)
    const perNode = (since: number): number => (timesAsked() - since) / 2
    let before = timesAsked()
    await clock.advanceSettled(10 * INTERVAL_MS)
    expect(perNode(before)).toBe(10)

    before = timesAsked()
    loop.hurry(2_000)
    await clock.advanceSettled(HINTED_PROBE_GAP_MS)
    expect(perNode(before)).toBe(1)
    await clock.advanceSettled(2_000 - HINTED_PROBE_GAP_MS)
    expect(perNode(before)).toBeGreaterThanOrEqual(2_000 / FAST_INTERVAL_MS - 1)

    await clock.advanceSettled(INTERVAL_MS)
    before = timesAsked()
    await clock.advanceSettled(10 * INTERVAL_MS)
    expect(perNode(before)).toBe(10)
    await loop.stop()
  })

  it('asks no more often for a flood of such calls than the fast pace', async () => {
    const { clock, loop, timesAsked } = setUpHealthLoop({ says: HEALTHY })
    loop.start()
    await clock.advanceSettled(LONG_MS)
    const before = timesAsked()
    for (let count = 0; count < 1_000; count += 1) {
      loop.hurry(1_000)
      await clock.advanceSettled(1)
    }
    expect((timesAsked() - before) / 2).toBeLessThanOrEqual(1_000 / FAST_INTERVAL_MS + 2)
    await loop.stop()
  })
})
