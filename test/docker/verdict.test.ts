import { describe, expect, test } from 'vitest'
import { type Lsn, parseLsn } from '../../src/topology/lsn.ts'
import type { Acknowledgement, ClientError } from './client/ledger.ts'
import { type Facts, judge, parseHistory, summarize } from './verdict.ts'

const FORK = parseLsn('0/5000') as Lsn

function row(changes: Partial<Acknowledgement>): Acknowledgement {
  return { number: 'a-0', client: 'a', node: 'pg-0', timelineId: 1, lsn: '0/1000', sentAt: 10, at: 11, ...changes }
}

function error(changes: Partial<ClientError>): ClientError {
  return { client: 'a', phase: 'write', code: '57P01', message: 'ended', detail: null, sentAt: 10, at: 11, ...changes }
}

function facts(changes: Partial<Facts> = {}): Facts {
  return {
    timelineId: 2,
    forks: new Map([[1, FORK]]),
    stored: new Set(['a-0', 'a-1']),
    acceptedAt: new Map([[2, 1_000]]),
    loginsCutShort: 0,
    proxyAway: [],
    ...changes,
  }
}

function violations(
  seen: { acknowledged?: readonly Acknowledgement[]; errors?: readonly ClientError[] },
  changes: Partial<Facts> = {},
): string {
  return judge({ acknowledged: seen.acknowledged ?? [], errors: seen.errors ?? [] }, facts(changes)).violations.join(
    '\n',
  )
}

describe('the verdict on a scenario', () => {
  test('finds nothing where every acknowledged row is there', () => {
    expect(violations({ acknowledged: [row({}), row({ number: 'a-1', sentAt: 12, at: 13 })] })).toBe('')
  })

  test('finds a row lost that was committed before its timeline ended', () => {
    const acknowledged = [
      row({ number: 'a-7', lsn: '0/3000' }),
      row({ lsn: '0/4000', sentAt: 12, at: 13 }),
      row({ number: 'a-1', lsn: '0/6000', sentAt: 14, at: 15 }),
    ]
    expect(violations({ acknowledged })).toContain('1 x lost; the first: a-7 on pg-0, timeline 1, at 0/3000')
  })

  test('finds a row lost on the last timeline, whatever its position', () => {
    expect(violations({ acknowledged: [row({ number: 'a-7', timelineId: 2, lsn: '0/9000' })] })).toContain('1 x lost')
  })

  test('excuses rows that were committed after their timeline had ended, and counts them', () => {
    const acknowledged = [
      row({ number: 'a-7', lsn: '0/4FFF' }),
      row({ number: 'a-8', lsn: '0/5001', sentAt: 12, at: 13 }),
      row({ number: 'a-9', lsn: '0/6000', sentAt: 14, at: 15 }),
    ]
    const verdict = judge({ acknowledged, errors: [] }, facts())
    expect(verdict.violations).toEqual([])
    expect(summarize(verdict, facts())).toContain('lost by replication: 3 of timeline 1 beyond 0/5000')
  })

  test('finds an acknowledgement of a node that was not the primary any more when the row was sent', () => {
    expect(violations({ acknowledged: [row({ sentAt: 1_001, at: 1_002 })] })).toContain(
      '1 x acknowledged on a timeline that was over; the first: a-0 on pg-0, timeline 1',
    )
    expect(violations({ acknowledged: [row({ sentAt: 999, at: 1_002 })] })).toBe('')
  })

  test.each(['write', 'idle', 'connect'] as const)('finds a read-only error while in phase %s', (phase) => {
    const seen = {
      errors: [error({ phase, code: '25006', message: 'cannot execute INSERT in a read-only transaction' })],
    }
    expect(violations(seen)).toContain('1 x read-only error; the first: a')
  })

  test.each(['57P01', '57P02', '08006'])('takes %s for the end of a session', (code) => {
    expect(violations({ errors: [error({ code }), error({ phase: 'idle', code })] })).toBe('')
  })

  test.each(['', 'ECONNRESET', 'XX000', '57P03'])('finds a session that ended with "%s"', (code) => {
    expect(violations({ errors: [error({ code })] })).toContain('words that drivers do not know')
  })

  test('finds a new session refused', () => {
    const errors = [error({ phase: 'connect', code: '57P03', message: 'no primary available' })]
    expect(violations({ errors })).toContain('new session refused (1, of which 0 logins were cut short)')
  })

  test('excuses as many refusals as the proxy counted logins that were cut short', () => {
    const refused = error({ phase: 'connect', code: '57P03' })
    expect(violations({ errors: [refused] }, { loginsCutShort: 1 })).toBe('')
    expect(violations({ errors: [refused, refused] }, { loginsCutShort: 1 })).toContain('new session refused (2')
    expect(
      violations({ errors: [error({ phase: 'connect', code: 'ECONNREFUSED' })] }, { loginsCutShort: 1 }),
    ).toContain('ECONNREFUSED')
  })
})

describe('while the proxy itself is away', () => {
  const proxyAway = [{ from: 100, to: 200 }]

  test('connections may fail in any way', () => {
    const errors = [
      error({ phase: 'connect', code: 'ECONNREFUSED', sentAt: 90, at: 150 }),
      error({ phase: 'write', code: 'ECONNRESET', sentAt: 90, at: 110 }),
    ]
    expect(violations({ errors }, { proxyAway })).toBe('')
  })

  test('errors of before and after count', () => {
    const errors = [error({ code: 'ECONNRESET', at: 99 }), error({ code: 'ECONNRESET', sentAt: 201, at: 220 })]
    expect(violations({ errors }, { proxyAway })).toContain('2 x session ended')
  })

  test('a read-only error counts as ever', () => {
    expect(violations({ errors: [error({ code: '25006', sentAt: 90, at: 150 })] }, { proxyAway })).toContain(
      'read-only',
    )
  })
})

test('a history file tells where each timeline ended', () => {
  const text = '1\t0/5000\tno recovery target specified\n\n2\t1/A\tno recovery target specified\n'
  expect(parseHistory(text)).toEqual(
    new Map([
      [1, 0x5000n],
      [2, 0x1_0000_000an],
    ]),
  )
})
