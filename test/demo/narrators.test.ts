import { describe, expect, it } from 'vitest'
import type { LogRecord } from '../support/proxy-process.ts'
import type { Acknowledged } from './app-event.ts'
import { AppNarrator } from './app-narrator.ts'
import { ProxyNarrator } from './proxy-narrator.ts'

const write = (at: number, node: string): Acknowledged => ({
  kind: 'acknowledged',
  at,
  number: String(at),
  firstSentAt: at,
  attempts: 1,
  node,
  connectedAt: 0,
})

describe('AppNarrator', () => {
  it('tells sessions that end together in one line, at the time of the first', () => {
    const narrator = new AppNarrator()
    for (const [at, code] of [
      [1_000, '57P01'],
      [1_010, '08006'],
      [1_020, '57P01'],
    ] as const) {
      expect(narrator.take({ kind: 'session-lost', at, code })).toEqual([])
    }
    expect(narrator.flush(1_050)).toEqual([])
    expect(narrator.flush(1_500)).toEqual([{ at: 1_000, text: '3 running sessions ended: 57P01 x2, 08006 x1' }])
    expect(narrator.flush(2_000)).toEqual([])
  })

  it('tells of a later blow in a line of its own', () => {
    const narrator = new AppNarrator()
    narrator.take({ kind: 'session-lost', at: 1_000, code: '57P01' })
    const told = narrator.take({ kind: 'session-lost', at: 5_000, code: '08006' })
    expect(told).toEqual([{ at: 1_000, text: '1 running session ended: 57P01 x1' }])
    expect(narrator.flush(9_000)).toEqual([{ at: 5_000, text: '1 running session ended: 08006 x1' }])
  })

  it('says where writes go on after a notable pause, and nothing of short ones', () => {
    const narrator = new AppNarrator()
    expect(narrator.take(write(1_000, 'node1'))).toEqual([])
    expect(narrator.take(write(1_200, 'node1'))).toEqual([])
    expect(narrator.take(write(2_780, 'node2'))).toEqual([
      { at: 2_780, text: 'writes again, on node2, after 1.58 s without' },
    ])
  })

  it('tells of every connection that failed', () => {
    const narrator = new AppNarrator()
    const attempt = { kind: 'connect-failed', startedAt: 0, at: 9, code: '57P03' } as const
    expect(narrator.take({ ...attempt, wasChallenged: false })).toEqual([
      { at: 9, text: 'a new connection failed: 57P03 x1' },
    ])
    expect(narrator.take({ ...attempt, wasChallenged: true })).toEqual([
      { at: 9, text: 'a login was cut short: 57P03 x1' },
    ])
  })
})

describe('ProxyNarrator', () => {
  const origin = Date.parse('2026-01-01T00:00:00.000Z')
  const record = (fields: Record<string, unknown>): LogRecord => ({ time: '2026-01-01T00:00:01.250Z', ...fields })
  const decision = (state: string, primary: string | null, reason: string, sessionsEnded = 0) =>
    record({ msg: 'decision', state, primary, reason, sessionsEnded })

  it('gives a decision in the words of the log, at its time', () => {
    const narrator = new ProxyNarrator(origin)
    expect(narrator.take(decision('serving', 'node2', 'node2 is primary on timeline 2'))).toEqual({
      at: 1_250,
      text: 'serving: node2 is primary on timeline 2',
      isAside: false,
    })
    expect(narrator.state).toBe('serving node2')
    expect(narrator.take(decision('no-primary', null, 'node2 refuses connections', 3))?.text).toBe(
      'no-primary: node2 refuses connections; ends 3 sessions',
    )
    expect(narrator.state).toBe('no-primary')
  })

  it('keeps every first routed session, and tells of those after the first primary', () => {
    const narrator = new ProxyNarrator(origin)
    const routed = (node: string) =>
      narrator.take(record({ msg: 'first session routed to the new primary', node, afterDecisionMs: 0.2 }))
    expect(routed('node1')).toBeNull()
    expect(routed('node2')?.text).toBe('first session routed to node2, 0.2 ms after the decision')
    expect(narrator.firstRouted).toEqual([
      { node: 'node1', at: 1_250 },
      { node: 'node2', at: 1_250 },
    ])
  })

  it('marks warnings as asides, passes errors on, and leaves the rest out', () => {
    const narrator = new ProxyNarrator(origin)
    expect(narrator.take(record({ level: 'warn', msg: 'warning', warning: 'node1 is fenced' }))).toMatchObject({
      text: 'warns: node1 is fenced',
      isAside: true,
    })
    expect(narrator.take(record({ level: 'error', msg: 'defect' }))?.text).toBe('defect')
    expect(narrator.take(record({ level: 'info', msg: 'probe failed', node: 'node1' }))).toBeNull()
  })
})
