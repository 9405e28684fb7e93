import { describe, expect, it } from 'vitest'
import { END_LINES_MAX, SessionEndLog } from '../../src/net/session-end-log.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { createMemoryLog } from '../support/memory-log.ts'

function setUp(level: string) {
  const clock = new FakeClock()
  const log = createMemoryLog()
  log.logger.level = level
  return { clock, ...log, endLog: new SessionEndLog({ logger: log.logger, clock }) }
}

describe('the lines of ended sessions', () => {
  it('are few when ten thousand end at once: the first, then how many more there were, by node', () => {
    const { clock, lines, endLog } = setUp('info')
    for (let session = 1; session <= 10_000; session += 1) {
      endLog.take('node-not-routable', () => ({ session, node: session % 4 === 0 ? 'node2' : 'node1' }))
    }
    expect(lines).toHaveLength(END_LINES_MAX)
    clock.advance(1_000)

    expect(lines).toHaveLength(END_LINES_MAX + 1)
    expect(lines[0]).toMatchObject({ level: 40, msg: 'session ended', reason: 'node-not-routable', session: 1 })
    expect(lines.at(-1)).toMatchObject({
      level: 40,
      msg: 'more sessions ended',
      reason: 'node-not-routable',
      count: 9_990,
    })
    expect(lines.at(-1)?.['nodes']).toEqual({ node1: 7_492, node2: 2_498 })
  })

  it('are bounded for each reason apart, and anew in the next second', () => {
    const { clock, lines, endLog } = setUp('info')
    for (let second = 0; second < 3; second += 1) {
      for (let session = 0; session < 100; session += 1) {
        endLog.take('backend-lost', () => ({ session, node: 'node1' }))
        endLog.take('too-many-sessions', () => ({ session }))
      }
      clock.advance(1_000)
    }
    const perSecond = 2 * (END_LINES_MAX + 1)
    expect(lines).toHaveLength(3 * perSecond)
    expect(
      lines.find(({ msg, reason }) => msg === 'more sessions ended' && reason === 'too-many-sessions'),
    ).toMatchObject({
      count: 90,
      nodes: {},
    })
  })

  it('have no summary when there were few', () => {
    const { clock, lines, endLog } = setUp('info')
    for (let session = 0; session < END_LINES_MAX; session += 1) endLog.take('backend-lost', () => ({ session }))
    clock.advance(10_000)
    expect(lines.map(({ msg }) => msg)).toEqual(Array(END_LINES_MAX).fill('session ended'))
  })

  it('are all there at level debug', () => {
    const { clock, lines, endLog } = setUp('debug')
    for (let session = 0; session < 100; session += 1) endLog.take('backend-lost', () => ({ session }))
    for (let session = 0; session < 100; session += 1) endLog.take('finished', () => ({ session }))
    clock.advance(1_000)
    expect(lines.filter(({ msg }) => msg === 'session ended')).toHaveLength(200)
  })

  it('cost nothing when their level is off: nothing is described', () => {
    const { endLog } = setUp('info')
    let described = 0
    const describeIt = (): Record<string, unknown> => {
      described += 1
      return {}
    }
    for (let session = 0; session < 100; session += 1) endLog.take('finished', describeIt)
    expect(described).toBe(0)
  })

  it('are told of before the second is over when the proxy stops, and no timer is left', () => {
    const { clock, lines, endLog } = setUp('info')
    for (let session = 0; session < 100; session += 1) endLog.take('proxy-stopping', () => ({ session, node: 'node1' }))
    endLog.close()
    expect(lines.at(-1)).toMatchObject({ msg: 'more sessions ended', count: 90 })
    clock.advance(1_000)
    expect(lines.filter(({ msg }) => msg === 'more sessions ended')).toHaveLength(1)
  })
})
