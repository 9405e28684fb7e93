import { describe, expect, it } from 'vitest'
import { HealthPulse } from '../../src/daemon/health-pulse.ts'
import { Watchdog } from '../../src/daemon/watchdog.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

function setUp(timeoutMs = 30_000) {
  const clock = new FakeClock()
  const log = createMemoryLog()
  const signs: number[] = []
  const state: { stall: string | null } = { stall: null }
  const watchdog = new Watchdog({
    clock,
    timeoutMs,
    findStall: () => state.stall,
    onAlive: () => signs.push(clock.now()),
    logger: log.logger,
  })
  return { clock, log, signs, state, watchdog }
}

describe('Watchdog', () => {
  it('gives a sign at once and then at half of the time allowed', () => {
    const { clock, signs, watchdog } = setUp()
    watchdog.start()
    watchdog.start()
    clock.advance(45_000)
    expect(signs).toEqual([0, 15_000, 30_000, 45_000])
  })

  it('keeps silent while the work stands still, says so once, and looks again each second', () => {
    const { clock, log, signs, state, watchdog } = setUp()
    watchdog.start()
    state.stall = 'no probe of node1 has come back for 12 s'
    clock.advance(20_000)
    expect(signs).toEqual([0])
    expect(log.news()).toEqual([
      'error the work stands still: the watchdog is not fed, the service manager will restart',
    ])
    state.stall = null
    clock.advance(1_000)
    expect(signs).toEqual([0, 21_000])
    expect(log.news()).toEqual(['info the work goes on: the watchdog is fed again'])
  })

  it('never looks less often than the manager does', () => {
    const { clock, signs, state, watchdog } = setUp(200)
    state.stall = 'it hangs'
    watchdog.start()
    state.stall = null
    clock.advance(100)
    expect(signs).toEqual([100])
  })

  it('leaves no timer when it is stopped', () => {
    const { clock, watchdog } = setUp()
    watchdog.start()
    watchdog.stop()
    expect(clock.pendingCount).toBe(0)
  })
})

describe('HealthPulse', () => {
  it('finds the member of which no observation came for longer than the limit, and the worst of them', () => {
    const clock = new FakeClock()
    const pulse = new HealthPulse(clock)
    for (const node of ['node1', 'node2', 'node3']) pulse.beat(node)
    clock.advance(4_000)
    pulse.beat('node2')
    clock.advance(7_000)
    pulse.beat('node3')
    const members = ['node2', 'node1', 'node3']
    expect(pulse.findStalled(members, 10_000)).toEqual({ node: 'node1', sinceMs: 11_000 })
    expect(pulse.findStalled(members, 5_000)).toEqual({ node: 'node1', sinceMs: 11_000 })
    expect(pulse.findStalled(members, 11_000)).toBeNull()
  })

  it('counts from the first look for a node of which nothing was ever heard', () => {
    const clock = new FakeClock(50_000)
    const pulse = new HealthPulse(clock)
    expect(pulse.findStalled(['node1'], 10_000)).toBeNull()
    clock.advance(10_001)
    expect(pulse.findStalled(['node1'], 10_000)).toEqual({ node: 'node1', sinceMs: 10_001 })
  })

  it('forgets a node that is no member any more: when it comes back its time begins anew', () => {
    const clock = new FakeClock()
    const pulse = new HealthPulse(clock)
    pulse.beat('node1')
    clock.advance(60_000)
    expect(pulse.findStalled(['node2'], 10_000)).toBeNull()
    expect(pulse.findStalled(['node1', 'node2'], 10_000)).toBeNull()
  })
})
