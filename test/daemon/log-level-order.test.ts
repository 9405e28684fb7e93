import { describe, expect, it } from 'vitest'
import { LogLevelOrder } from '../../src/daemon/log-level-order.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

function setUp() {
  const clock = new FakeClock()
  const { logger, lines } = createMemoryLog()
  logger.level = 'info'
  const order = new LogLevelOrder({ logger, clock, configured: 'info' })
  return { clock, logger, lines, order }
}

describe('the log level by order', () => {
  it('holds for its time, then the configured one comes back and says so', async () => {
    const { clock, logger, lines, order } = setUp()
    expect(await order.take('debug', 600_000)).toEqual({
      ok: true,
      message: 'the log level is debug for 10m, then info',
    })
    clock.advance(599_999)
    expect(logger.level).toBe('debug')
    clock.advance(1)
    expect(logger.level).toBe('info')
    expect(lines).toMatchObject([{ msg: 'the log level is back', logLevel: 'info' }])
  })

  it('without a time holds until a reload, also one that changes nothing', async () => {
    const { clock, logger, order } = setUp()
    await order.take('trace', null)
    clock.advance(10 * 24 * 3_600_000)
    expect(logger.level).toBe('trace')
    order.configure('info')
    expect(logger.level).toBe('info')
  })

  it('is replaced by the next order, whose time counts', async () => {
    const { clock, logger, order } = setUp()
    await order.take('debug', 1_000)
    await order.take('warn', 5_000)
    clock.advance(1_000)
    expect(logger.level).toBe('warn')
    clock.advance(4_000)
    expect(logger.level).toBe('info')
  })

  it('comes back to what a reload has made of the configuration', async () => {
    const { clock, logger, order } = setUp()
    await order.take('debug', 1_000)
    order.configure('warn')
    clock.advance(1_000)
    expect(logger.level).toBe('warn')
  })
})
