import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { HostedConfig } from '../../src/workers/session-settings.ts'
import { share, shareOf, workerCount } from '../../src/workers/shares.ts'

const CONFIG: HostedConfig = {
  listeners: [],
  keepalive: { clientMs: 1, serverMs: 2 },
  monitor: { decisionTtlMs: 3 },
  hold: { timeoutMs: 4, maxSessions: 10, releaseRate: 500 },
  limits: { maxSessions: 11, maxSessionsPerAddress: 5, startupTimeoutMs: 6, connectTimeoutMs: 7 },
}

describe('the shares of a limit', () => {
  it('make the whole, differ by one at most, and none is empty', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), fc.integer({ min: 0, max: 100_000 }), (count, more) => {
        const total = count + more
        const shares = Array.from({ length: count }, (_, index) => share(total, index, count))
        expect(shares.reduce((sum, each) => sum + each)).toBe(total)
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThan(2)
        expect(Math.min(...shares)).toBeGreaterThan(0)
      }),
    )
  })
})

describe('the configuration of a worker', () => {
  it('has its share of sessions and of the release, places to wait rounded up, and all else as it is', () => {
    const shares = [0, 1, 2].map((index) => shareOf(CONFIG, index, 3))
    expect(shares.map(({ limits }) => limits.maxSessions)).toEqual([4, 4, 3])
    expect(shares.map(({ hold }) => hold.maxSessions)).toEqual([4, 4, 4])
    expect(shares.reduce((sum, { hold }) => sum + hold.releaseRate, 0)).toBeCloseTo(500)
    expect(shares[0]).toMatchObject({ keepalive: CONFIG.keepalive, monitor: CONFIG.monitor, hold: { timeoutMs: 4 } })
    expect(shares[2]?.limits).toEqual({ ...CONFIG.limits, maxSessions: 3 })
  })

  it('holds nobody where nobody is held', () => {
    expect(shareOf({ ...CONFIG, hold: { ...CONFIG.hold, maxSessions: 0 } }, 0, 2).hold.maxSessions).toBe(0)
  })

  it('has none of the secrets that the whole configuration may have', () => {
    const whole = { ...CONFIG, monitor: { ...CONFIG.monitor, password: 'secret' }, admin: { token: 'secret' } }
    expect(JSON.stringify(shareOf(whole, 0, 2))).not.toContain('secret')
  })
})

describe('the number of workers', () => {
  it.each([
    [1, 8, 10_000, 1],
    [4, 2, 10_000, 4],
    ['auto', 8, 10_000, 8],
    ['auto', 1, 10_000, 1],
    [8, 8, 3, 3],
  ] as const)('is for %s on %i cores with %i sessions: %i', (wanted, cores, sessionsMax, count) => {
    expect(workerCount(wanted, cores, sessionsMax)).toBe(count)
  })
})
