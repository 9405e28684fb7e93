import { describe, expect, it } from 'vitest'
import { RateWindow } from '../../src/admin/rate-window.ts'

const LIMIT = { countMax: 2, windowMs: 1_000 }

describe('RateWindow', () => {
  it('lets so many through, and says how long the rest has to wait', () => {
    const window = new RateWindow(LIMIT)
    expect([window.take('a', 0), window.take('a', 100), window.take('a', 400)]).toEqual([0, 0, 600])
  })

  it('begins anew when the time is over, however much was refused', () => {
    const window = new RateWindow(LIMIT)
    for (let count = 0; count < 10; count += 1) window.take('a', 0)
    expect([window.take('a', 999), window.take('a', 1_000)]).toEqual([1, 0])
  })

  it('counts each name by itself', () => {
    const window = new RateWindow(LIMIT)
    for (let count = 0; count < 3; count += 1) window.take('a', 0)
    expect(window.take('b', 0)).toBe(0)
  })

  it('forgets the oldest of a thousand names, never the one that is counting', () => {
    const window = new RateWindow(LIMIT)
    for (let count = 0; count < 3; count += 1) window.take('first', 0)
    for (let name = 0; name < 998; name += 1) window.take(`n${name}`, 1)
    expect(window.take('first', 2)).toBeGreaterThan(0)
    for (let name = 0; name < 1_000; name += 1) window.take(`m${name}`, 3)
    expect(window.take('first', 4)).toBe(0)
  })
})
