import { describe, expect, it } from 'vitest'
import { waitFor } from './condition.ts'

describe('waitFor', () => {
  it('gives the first value that is accepted', async () => {
    let looks = 0
    const seen = await waitFor('three looks', () => ++looks, { until: (value) => value === 3, intervalMs: 1 })
    expect(seen).toBe(3)
  })

  it('says what it waited for and what it last saw', async () => {
    const waiting = waitFor('a primary', () => ({ role: 'standby' }), {
      until: () => false,
      timeoutMs: 20,
      intervalMs: 1,
    })
    await expect(waiting).rejects.toThrow("waited 20 ms for: a primary; last seen: { role: 'standby' }")
  })

  it('takes an error for "not yet" and tells it in the end', async () => {
    const waiting = waitFor(
      'an answer',
      () => {
        throw new Error('refused')
      },
      { timeoutMs: 20, intervalMs: 1 },
    )
    await expect(waiting).rejects.toThrow('last seen: refused')
  })

  it('gives up on a look that never comes back', async () => {
    await expect(waitFor('silence', () => new Promise(() => {}), { timeoutMs: 20 })).rejects.toThrow(
      'did not come back',
    )
  })
})
