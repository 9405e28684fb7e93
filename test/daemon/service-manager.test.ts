import { describe, expect, it } from 'vitest'
import type { NotifySender } from '../../src/daemon/notify-helper.ts'
import { FAREWELL_MS, RETRY_MS, ServiceManager, STATUS_GAP_MS } from '../../src/daemon/service-manager.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

/** A manager with a sender whose messages the test answers one by one. */
function setUp() {
  const clock = new FakeClock(1_000)
  const log = createMemoryLog()
  const messages: string[] = []
  const waiting: ((problem: string | null) => void)[] = []
  let isSenderClosed = false
  const sender: NotifySender = {
    send: (assignments) => {
      messages.push(assignments.join(' '))
      return new Promise((resolve) => waiting.push(resolve))
    },
    close: () => {
      isSenderClosed = true
    },
  }
  const monotonicUsec = () => BigInt(clock.now()) * 1000n
  const manager = new ServiceManager({ sender, clock, logger: log.logger, monotonicUsec })
  const answer = async (problem: string | null = null): Promise<void> => {
    expect(waiting).toHaveLength(1)
    waiting.shift()?.(problem)
    await settled()
  }
  const news = (): string[] => messages.splice(0)
  return { clock, log, manager, answer, news, isSenderClosed: () => isSenderClosed }
}

/** The same, with READY behind it. */
async function setUpReady() {
  const rig = setUp()
  rig.manager.ready()
  expect(rig.news()).toEqual(['READY=1'])
  await rig.answer()
  return rig
}

describe('ServiceManager', () => {
  it('says status, readiness and sign of life with one message when they come while another is under way', async () => {
    const { manager, news, answer } = setUp()
    manager.status('starting')
    manager.status('uncertain: node1 does not answer')
    manager.status('serving: node1')
    manager.ready()
    manager.alive()
    expect(news()).toEqual(['STATUS=starting'])
    await answer()
    expect(news()).toEqual(['READY=1 STATUS=serving: node1 WATCHDOG=1'])
    await answer()
    expect(news()).toEqual([])
  })

  it('says which process is the service with every READY, when it is not the one that was started', async () => {
    const { manager, news, answer } = setUp()
    manager.ready(4711)
    expect(news()).toEqual(['READY=1 MAINPID=4711'])
    await answer()
  })

  it('says nothing twice', async () => {
    const { clock, manager, news, answer } = await setUpReady()
    manager.status('serving: node1')
    clock.advance(STATUS_GAP_MS)
    expect(news()).toEqual(['STATUS=serving: node1'])
    await answer()
    manager.ready()
    manager.status('serving: node1')
    clock.advance(STATUS_GAP_MS)
    expect(news()).toEqual([])
  })

  it('sends a status at most once a second, the latest then; states and signs of life do not wait', async () => {
    const { clock, manager, news, answer } = await setUpReady()
    manager.status('one')
    manager.status('two')
    expect(news()).toEqual([])
    clock.advance(STATUS_GAP_MS)
    expect(news()).toEqual(['STATUS=two'])
    await answer()
    manager.status('three')
    manager.alive()
    expect(news()).toEqual(['STATUS=three WATCHDOG=1'])
    await answer()
    manager.reloading()
    expect(news()).toEqual([`RELOADING=1 MONOTONIC_USEC=${clock.now() * 1000}`])
  })

  it('sends RELOADING and READY one after the other, with the moment at which the reload began', async () => {
    const { clock, manager, news, answer } = await setUpReady()
    manager.alive()
    const began = clock.now() * 1000
    manager.reloading()
    clock.advance(50)
    manager.reloaded()
    expect(news()).toEqual(['WATCHDOG=1'])
    await answer()
    expect(news()).toEqual([`RELOADING=1 MONOTONIC_USEC=${began}`])
    await answer()
    expect(news()).toEqual(['READY=1'])
  })

  it('makes one reload of those that the manager has not heard of', async () => {
    const { clock, manager, news, answer } = await setUpReady()
    manager.alive()
    for (const _ of [1, 2, 3]) {
      clock.advance(10)
      manager.reloading()
      manager.reloaded()
    }
    news()
    await answer()
    await answer()
    expect(news()).toEqual([`RELOADING=1 MONOTONIC_USEC=${clock.now() * 1000}`, 'READY=1'])
    await answer()
    expect(news()).toEqual([])
  })

  it('does not take a reload during the start for the end of the start', () => {
    const { manager, news } = setUp()
    manager.reloading()
    manager.reloaded()
    expect(news()).toEqual([])
  })

  it('says STOPPING once, with how long it may take, and no other state after it', async () => {
    const { manager, news, answer } = await setUpReady()
    manager.reloading()
    manager.stopping(42_000)
    manager.reloaded()
    manager.reloading()
    manager.ready()
    manager.stopping(1)
    news()
    await answer()
    expect(news()).toEqual(['STOPPING=1 EXTEND_TIMEOUT_USEC=42000000'])
    await answer()
    expect(news()).toEqual([])
  })

  it('makes one line of a status, and not a long one', () => {
    const { manager, news } = setUp()
    manager.status(`a\nREADY=1\r\u0000${'x'.repeat(5_000)}`)
    const [message = ''] = news()
    expect(message).toMatch(/^STATUS=a READY=1 x+$/)
    expect(message.length).toBeLessThan(1_100)
  })

  it('sends again what could not be sent, as far as it is still true, and logs one warning', async () => {
    const { clock, log, manager, news, answer } = setUp()
    manager.status('starting')
    manager.ready()
    news()
    await answer('Connection refused')
    clock.advance(RETRY_MS - 1)
    expect(news()).toEqual([])
    manager.alive()
    manager.status('serving: node1')
    clock.advance(1)
    expect(news()).toEqual(['READY=1 STATUS=serving: node1 WATCHDOG=1'])
    await answer('Connection refused')
    clock.advance(RETRY_MS)
    expect(news()).toEqual(['READY=1 STATUS=serving: node1'])
    await answer()
    expect(log.news()).toEqual([
      'warn the service manager cannot be told what the proxy does',
      'info the service manager is told again',
    ])
    clock.advance(RETRY_MS)
    expect(news()).toEqual([])
  })

  it('gives no old sign of life when one could not be sent', async () => {
    const { clock, manager, news, answer } = await setUpReady()
    manager.alive()
    news()
    await answer('Connection refused')
    clock.advance(RETRY_MS * 10)
    expect(news()).toEqual([])
    expect(clock.pendingCount).toBe(0)
  })

  it('does not come back to RELOADING or READY after STOPPING when those could not be sent', async () => {
    const { manager, news, answer } = await setUpReady()
    manager.reloading()
    manager.reloaded()
    manager.stopping(1_000)
    news()
    await answer('Connection refused')
    const closed = manager.close()
    expect(news()).toEqual(['STOPPING=1 EXTEND_TIMEOUT_USEC=1000000'])
    await answer()
    await closed
  })

  it('says its last words before it closes, and leaves no timer', async () => {
    const { clock, manager, news, answer, isSenderClosed } = await setUpReady()
    manager.status('draining')
    const closed = manager.close()
    expect(news()).toEqual(['STATUS=draining'])
    expect(isSenderClosed()).toBe(false)
    await answer()
    await closed
    manager.status('more')
    manager.alive()
    expect([news(), isSenderClosed(), clock.pendingCount]).toEqual([[], true, 0])
  })

  it('does not wait long for a manager that takes nothing', async () => {
    const { clock, manager, isSenderClosed } = setUp()
    manager.stopping(1_000)
    const closed = manager.close()
    await clock.advanceSettled(FAREWELL_MS)
    await closed
    expect([isSenderClosed(), clock.pendingCount]).toEqual([true, 0])
  })
})
