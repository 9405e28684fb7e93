import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { descriptorBudget, descriptorsFor, OWN_DESCRIPTORS } from '../../src/session/descriptor-budget.ts'

describe('descriptorBudget', () => {
  it('leaves the proxy its own, and room to tell clients that there is no place', () => {
    fc.assert(
      fc.property(fc.integer({ min: 128, max: 2_000_000 }), (limit) => {
        const { sessionsMax, shutsAt, opensAt } = descriptorBudget(limit)
        expect(shutsAt).toBe(limit - OWN_DESCRIPTORS)
        expect(2 * sessionsMax).toBeLessThan(opensAt)
        expect(opensAt).toBeLessThan(shutsAt)
      }),
    )
  })

  it('lets at least one session in, whatever the limit', () => {
    for (const limit of [0, 1, 64, 70, 127]) {
      const { sessionsMax, shutsAt, opensAt } = descriptorBudget(limit)
      expect(sessionsMax).toBeGreaterThanOrEqual(1)
      expect(shutsAt).toBeGreaterThan(1)
      expect(opensAt).toBeLessThanOrEqual(shutsAt)
    }
  })

  it('sets no bounds where the limit is not known', () => {
    expect(descriptorBudget(null).sessionsMax).toBe(Number.POSITIVE_INFINITY)
  })

  it('is enough with the limit that is recommended', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000 }), (sessionsMax) => {
        const needed = descriptorsFor(sessionsMax)
        expect(descriptorBudget(needed).sessionsMax).toBeGreaterThanOrEqual(sessionsMax)
        expect(needed).toBeLessThan(2 * sessionsMax + 1_000)
      }),
    )
  })
})
