import { describe, expect, it } from 'vitest'
import type { Acknowledged, AppEvent, ConnectFailed } from './app-event.ts'
import { type Disturbance, type TallyInput, tally } from './tally.ts'

/** node1 is killed at 1000 and gone at 1020; node2 takes writes at 2000. */
const FAILOVER: Disturbance = {
  what: 'node1 killed, node2 promoted',
  lostAt: 1_000,
  goneAt: 1_020,
  backAt: 2_000,
  node: 'node2',
  isPromotion: true,
}

/** node2 is stopped at 3000 and back at 3500. */
const RESTART: Disturbance = {
  what: 'node2 restarted',
  lostAt: 3_000,
  goneAt: 3_050,
  backAt: 3_500,
  node: 'node2',
  isPromotion: false,
}

function write(at: number, node: string, more: Partial<Acknowledged> = {}): Acknowledged {
  const number = more.number ?? `invoice-${at}`
  return { kind: 'acknowledged', at, number, firstSentAt: at - 2, attempts: 1, node, connectedAt: 0, ...more }
}

function failure(startedAt: number, at: number, wasChallenged: boolean, code = '08006'): ConnectFailed {
  return { kind: 'connect-failed', startedAt, at, code, wasChallenged }
}

/** All that was acknowledged is in the database, unless told otherwise. */
function count(events: readonly AppEvent[], more: Partial<TallyInput> = {}) {
  const numbers = events.filter((event) => event.kind === 'acknowledged').map(({ number }) => number)
  return tally({
    events,
    initialPrimary: 'node1',
    disturbances: [FAILOVER, RESTART],
    firstRouted: [],
    stoppedAt: 5_000,
    rowsAtEnd: new Set(numbers),
    oldPrimary: { node: 'node1', rows: new Set() },
    ...more,
  })
}

describe('tally of writes', () => {
  it('counts an acknowledged write that is not in the database as lost', () => {
    const events = [write(100, 'node1', { number: 'a' }), write(200, 'node1', { number: 'b' })]
    expect(count(events, { rowsAtEnd: new Set(['a', 'c']) })).toMatchObject({ writesAcknowledged: 2, writesLost: 1 })
  })

  it('counts a write that was sent again after an error', () => {
    expect(count([write(100, 'node1', { attempts: 2 })]).writesRepeated).toBe(1)
  })

  it('finds nothing wrong when each write went to the primary of its time', () => {
    const events = [write(990, 'node1'), write(2_010, 'node2'), write(3_010, 'node2'), write(3_600, 'node2')]
    expect(count(events).writesOnOldPrimary).toBe(0)
  })

  it('counts a write that the old primary acknowledged after the promotion', () => {
    expect(count([write(2_010, 'node2'), write(2_500, 'node1')]).writesOnOldPrimary).toBe(1)
  })

  it('counts a write that the old primary acknowledged while the new one was down', () => {
    expect(count([write(2_010, 'node2'), write(3_200, 'node1')]).writesOnOldPrimary).toBe(1)
  })

  it('allows a write on the new primary a moment before its promotion was seen', () => {
    expect(count([write(1_999, 'node2')]).writesOnOldPrimary).toBe(0)
  })

  it('counts a write on a standby that nobody had promoted', () => {
    expect(count([write(500, 'node2')]).writesOnOldPrimary).toBe(1)
  })

  it("counts a row in the old primary's database whose write was sent after the promotion", () => {
    const events = [write(2_600, 'node2', { number: 'a', firstSentAt: 2_500 })]
    expect(count(events, { oldPrimary: { node: 'node1', rows: new Set(['a']) } }).writesOnOldPrimary).toBe(1)
  })

  it("allows a row in the old primary's database whose write was in flight at the kill and sent again", () => {
    const events = [write(2_100, 'node2', { number: 'a', firstSentAt: 999, attempts: 2 })]
    expect(count(events, { oldPrimary: { node: 'node1', rows: new Set(['a']) } }).writesOnOldPrimary).toBe(0)
  })
})

describe('tally of connections and errors', () => {
  it('counts a failed attempt as refused, by its code', () => {
    const counted = count([failure(1_100, 1_101, false, 'ECONNREFUSED')])
    expect(counted).toMatchObject({ connectionsRefused: 1, refusalsByCode: { ECONNREFUSED: 1 }, loginsCutShort: 0 })
  })

  it('sets apart a login that the dying server cut short', () => {
    expect(count([failure(998, 1_005, true)])).toMatchObject({ connectionsRefused: 0, loginsCutShort: 1 })
  })

  it('counts as refused a login that failed half-way while no server died', () => {
    expect(count([failure(2_498, 2_505, true)])).toMatchObject({ connectionsRefused: 1, loginsCutShort: 0 })
  })

  it('counts as refused an attempt that began when the server was gone already', () => {
    expect(count([failure(1_100, 1_200, true)])).toMatchObject({ connectionsRefused: 1, loginsCutShort: 0 })
  })

  it('counts errors of running sessions by code, and read-only errors wherever they occur', () => {
    const events: AppEvent[] = [
      { kind: 'session-lost', at: 1_001, code: '57P01' },
      { kind: 'session-lost', at: 1_002, code: '57P01' },
      { kind: 'session-lost', at: 2_002, code: '25006' },
      failure(2_100, 2_110, true, '25006'),
    ]
    expect(count(events)).toMatchObject({ errorsBySqlstate: { '57P01': 2, '25006': 1 }, readOnlyErrors: 2 })
  })

  it('tells the longest wait for a connection', () => {
    const events: AppEvent[] = [
      { kind: 'connected', startedAt: 0, at: 10 },
      { kind: 'connected', startedAt: 1_100, at: 2_050 },
    ]
    expect(count(events)).toMatchObject({ connectionsOpened: 2, longestConnectMs: 950 })
  })
})

describe('tally of times', () => {
  it('gives each disturbance the longest pause in the writes around it', () => {
    const events = [950, 990, 2_040, 2_060, 2_980, 3_540].map((at) => write(at, at < 1_000 ? 'node1' : 'node2'))
    expect(count(events, { stoppedAt: 3_545 })).toMatchObject({
      longestStallMs: 1_050,
      outages: [
        { what: FAILOVER.what, withoutPrimaryMs: 1_000, withoutWriteMs: 1_050 },
        { what: RESTART.what, withoutPrimaryMs: 500, withoutWriteMs: 560 },
      ],
    })
  })

  it('counts a stall that lasts until the end', () => {
    expect(count([write(100, 'node1')], { stoppedAt: 4_100 }).longestStallMs).toBe(4_000)
  })

  it('counts from the promotion to the first session opened after the loss that reached the promoted node', () => {
    const events = [
      write(2_150, 'node2', { connectedAt: 2_140 }),
      write(2_160, 'node2', { connectedAt: 2_031.26 }),
      write(2_170, 'node2', { connectedAt: 2_090 }),
    ]
    const firstRouted = [
      { node: 'node1', at: 50 },
      { node: 'node2', at: 2_012 },
      { node: 'node2', at: 3_510 },
    ]
    expect(count(events, { firstRouted }).promotions).toEqual([
      { node: 'node2', toRoutedMs: 12, toFirstSessionMs: 31.3 },
    ])
  })

  it('takes no session of an earlier time for the first one after the promotion', () => {
    const back = { ...FAILOVER, what: 'back', lostAt: 4_000, goneAt: 4_010, backAt: 4_100, node: 'node1' }
    const events = [write(500, 'node1', { connectedAt: 10 }), write(4_150, 'node1', { connectedAt: 4_140 })]
    const counted = count(events, { disturbances: [FAILOVER, back] })
    expect(counted.promotions).toEqual([
      { node: 'node2', toRoutedMs: null, toFirstSessionMs: null },
      { node: 'node1', toRoutedMs: null, toFirstSessionMs: 40 },
    ])
  })
})
