import { describe, expect, it } from 'vitest'
import type { Farewell } from '../../src/protocol/farewells.ts'
import {
  CLOSE_REASON_KINDS,
  CLOSE_REASON_LOG_LEVEL,
  type CloseReason,
  type CloseReasonKind,
  farewellFor,
} from '../../src/session/close-reason.ts'

interface Row {
  readonly reason: CloseReason
  /** `SQLSTATE message`, and the detail if one is wanted; `null`: the client is told nothing. */
  readonly says: string | null
  readonly detail?: string
  readonly level: 'debug' | 'info' | 'warn'
}

const NO_PRIMARY =
  '57P03 the database system is not accepting connections: no primary available (no connection to the server)'

/** Spec 5.7, word for word: drivers and frameworks look for these words. */
const ROWS: Readonly<Record<CloseReasonKind, Row>> = {
  finished: { reason: { kind: 'finished' }, says: null, level: 'debug' },
  'client-lost': { reason: { kind: 'client-lost' }, says: null, level: 'debug' },
  'worker-lost': { reason: { kind: 'worker-lost' }, says: null, level: 'warn' },
  'client-left-early': { reason: { kind: 'client-left-early' }, says: null, level: 'debug' },
  'cancel-request': { reason: { kind: 'cancel-request' }, says: null, level: 'debug' },
  'startup-timeout': { reason: { kind: 'startup-timeout' }, says: null, level: 'info' },
  'early-bytes': { reason: { kind: 'early-bytes' }, says: null, level: 'info' },
  'tls-not-offered': { reason: { kind: 'tls-not-offered' }, says: null, level: 'info' },
  'tls-required': {
    reason: { kind: 'tls-required' },
    says: '28000 encryption is required: connect with TLS',
    level: 'info',
  },
  'tls-handshake-failed': {
    reason: { kind: 'tls-handshake-failed', problem: 'wrong version number' },
    says: null,
    level: 'info',
  },
  'client-certificate': {
    reason: { kind: 'client-certificate', problem: 'CERT_HAS_EXPIRED' },
    says: '28000 connection requires a valid client certificate',
    level: 'info',
  },
  'server-tls-failed': {
    reason: { kind: 'server-tls-failed', node: 'node1', why: 'does not offer TLS, and server_sslmode is require' },
    says: '57P03 the database system is not accepting connections: no trusted connection to the node (no connection to the server)',
    detail: 'node1 does not offer TLS, and server_sslmode is require',
    level: 'warn',
  },
  'malformed-startup': {
    reason: { kind: 'malformed-startup', problem: 'length out of bounds' },
    says: '08P01 invalid startup packet: length out of bounds',
    level: 'info',
  },
  'unsupported-protocol': {
    reason: { kind: 'unsupported-protocol', major: 2, minor: 1 },
    says: '0A000 unsupported frontend protocol 2.1: server supports 3.x',
    level: 'info',
  },
  'too-many-sessions': {
    reason: { kind: 'too-many-sessions' },
    says: '53300 sorry, too many clients already',
    level: 'warn',
  },
  'no-proxy-header': { reason: { kind: 'no-proxy-header', problem: 'it was cut off' }, says: null, level: 'info' },
  'too-many-from-address': {
    reason: { kind: 'too-many-from-address' },
    says: '53300 too many connections from this address',
    level: 'warn',
  },
  'out-of-descriptors': {
    reason: { kind: 'out-of-descriptors' },
    says: '53300 sorry, too many clients already',
    level: 'warn',
  },
  'hold-queue-full': {
    reason: { kind: 'hold-queue-full' },
    says: '57P03 the database system is not accepting connections: connection hold queue is full (no connection to the server)',
    level: 'warn',
  },
  'hold-expired': {
    reason: {
      kind: 'hold-expired',
      route: 'primary',
      why: 'node1, primary on timeline 3, does not answer',
      waitedMs: 30_000,
    },
    says: NO_PRIMARY,
    detail: 'node1, primary on timeline 3, does not answer; waited 30 s',
    level: 'warn',
  },
  'no-standby': {
    reason: { kind: 'no-standby' },
    says: '57P03 the database system is not accepting connections: no standby available (no connection to the server)',
    level: 'warn',
  },
  'shutting-down': {
    reason: { kind: 'shutting-down' },
    says: '57P03 the database system is shutting down',
    level: 'info',
  },
  'landed-on-standby': {
    reason: { kind: 'landed-on-standby', node: 'node2' },
    says: NO_PRIMARY,
    detail: 'node is in recovery',
    level: 'warn',
  },
  'login-interrupted': {
    reason: { kind: 'login-interrupted', node: 'node1', why: 'is standby' },
    says: NO_PRIMARY,
    detail: 'node1 is standby',
    level: 'warn',
  },
  'node-not-routable': {
    reason: { kind: 'node-not-routable', node: 'node1', access: 'write', now: 'node2', why: 'is standby' },
    says: '57P01 terminating connection due to administrator command',
    detail: 'pgha-proxy: node1 is no longer primary (now node2)',
    level: 'warn',
  },
  'proxy-stopping': {
    reason: { kind: 'proxy-stopping', node: 'node1' },
    says: '57P01 terminating connection due to administrator command',
    detail: 'pgha-proxy is stopping',
    level: 'info',
  },
  'backend-lost': {
    reason: { kind: 'backend-lost', node: 'node1' },
    says: '08006 server closed the connection unexpectedly',
    level: 'warn',
  },
}

const textOf = (farewell: Farewell | null): string | null =>
  farewell === null ? null : `${farewell.sqlState} ${farewell.message}`

describe('farewellFor', () => {
  for (const [kind, row] of Object.entries(ROWS)) {
    it(`tells the client of ${kind} ${row.says === null ? 'nothing' : `"${row.says}"`}`, () => {
      const farewell = farewellFor(row.reason)

      expect(row.reason.kind).toBe(kind)
      expect(textOf(farewell)).toBe(row.says)
      if (farewell !== null) expect(farewell.severity).toBe('FATAL')
      if (row.detail !== undefined) expect(farewell?.detail).toBe(row.detail)
    })
  }

  it('tells a reader what became of its standby', () => {
    const why = 'was promoted'
    const farewell = farewellFor({ kind: 'node-not-routable', node: 'node2', access: 'read', now: 'node2', why })

    expect(textOf(farewell)).toBe('57P01 terminating connection due to administrator command')
    expect(farewell?.detail).toBe('pgha-proxy: node2 was promoted')
  })

  it('tells who waited for a standby that there is none', () => {
    const farewell = farewellFor({ kind: 'hold-expired', route: 'standby', why: 'no decision yet', waitedMs: 30_000 })

    expect(farewell?.message).toContain('no standby available')
    expect(farewell?.detail).toBe('no decision yet; waited 30 s')
  })

  it('names no successor while there is none', () => {
    const farewell = farewellFor({
      kind: 'node-not-routable',
      node: 'node1',
      access: 'write',
      now: null,
      why: 'no longer listens',
    })

    expect(farewell?.detail).toBe('pgha-proxy: node1 is no longer primary')
  })
})

describe('CLOSE_REASON_LOG_LEVEL', () => {
  it.each(Object.entries(ROWS))('logs %s at its level', (kind, row) => {
    expect(CLOSE_REASON_LOG_LEVEL[kind as CloseReasonKind]).toBe(row.level)
  })

  it('has every kind, each once', () => {
    expect([...CLOSE_REASON_KINDS].sort()).toEqual(Object.keys(ROWS).sort())
  })
})
