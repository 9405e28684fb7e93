import { describe, expect, it } from 'vitest'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import { DescriptorGuard, readDescriptorLimit } from '../../src/workers/descriptor-guard.ts'
import { createMemoryLog } from '../support/memory-log.ts'

function guardOf(limit: number | null) {
  const log = createMemoryLog()
  return {
    log,
    guard: new DescriptorGuard({ readLimit: () => limit, registry: new SessionRegistry(), logger: log.logger }),
  }
}

describe('DescriptorGuard', () => {
  it('warns when not all sessions fit, with the number that would do', () => {
    const { guard, log } = guardOf(1_024)
    guard.check(10_000)
    expect(log.lines).toEqual([
      expect.objectContaining({
        level: 40,
        msg: 'the limit of open files is too low',
        problem: 'limits.max_sessions is 10000, but only 416 sessions fit into 1024 open files',
        hint: expect.stringContaining('LimitNOFILE=20320 '),
      }),
    ])
    expect(guard.sessionsMax).toBe(416)
  })

  it('says it more quietly when nearly all fit', () => {
    const { guard, log } = guardOf(20_000)
    guard.check(10_000)
    expect(log.lines).toEqual([expect.objectContaining({ level: 30, msg: 'the limit of open files is too low' })])
    expect(guard.sessionsMax).toBe(9_840)
  })

  it('has nothing to say when they fit, with the limit that it recommends as well', () => {
    for (const [limit, sessions] of [
      [1_024, 416],
      [20_320, 10_000],
      [32_768, 10_000],
    ] as const) {
      const { guard, log } = guardOf(limit)
      guard.check(sessions)
      expect(log.lines).toEqual([])
    }
  })

  it('sets no bounds where the limit is not known', () => {
    const { guard, log } = guardOf(null)
    guard.check(1_000_000)
    expect([guard.sessionsMax, log.lines]).toEqual([Number.POSITIVE_INFINITY, []])
  })
})

describe.runIf(process.platform === 'linux')('the limit of open files', () => {
  it('is read from the system', () => {
    expect(readDescriptorLimit()).toBeGreaterThan(100)
  })
})
