import { describe, expect, it } from 'vitest'
import { type Finding, inOrderOfSeverity } from '../../../src/cli/check/finding.ts'
import { findMissingGrants } from '../../../src/cli/check/grant-findings.ts'
import { findNodeFaults } from '../../../src/cli/check/node-findings.ts'
import { findRepmgrFaults } from '../../../src/cli/check/repmgr-findings.ts'
import { findServerFaults } from '../../../src/cli/check/server-findings.ts'
import type { NodeAnswer } from '../../../src/topology/observation.ts'
import { type ViewOptions, viewOf } from './views.ts'

const HEALTHY = ['P1+', 'S1<node1', 'S1<node1']

function all(options: ViewOptions): readonly Finding[] {
  const { view, config } = viewOf(options)
  return [
    ...findNodeFaults(view, config),
    ...findMissingGrants(view, config),
    ...findRepmgrFaults(view, config),
    ...findServerFaults(view, config),
  ]
}

/** The only finding; fails when there are others. */
function only(findings: readonly Finding[]): Finding {
  expect(findings).toHaveLength(1)
  return findings[0] as Finding
}

describe('a cluster without faults', () => {
  it('has no findings', () => expect(all({ says: HEALTHY, epoch: '1 node1' })).toEqual([]))
  it('has none either when there is a witness', () => {
    expect(all({ says: ['P1+', 'S1<node1', 'W'], epoch: '1 node1' })).toEqual([])
  })
})

describe('findings about nodes', () => {
  it.each([
    ['refused', 'connect ECONNREFUSED', 'node-refused', 'start PostgreSQL there'],
    ['timeout', 'no TCP connection within 1000 ms', 'node-timeout', 'is the host up'],
    ['dns', 'getaddrinfo ENOTFOUND', 'node-dns', 'the resolver of this machine'],
    ['reset', 'ECONNRESET', 'node-reset', 'who broke the connection off'],
    ['starting-up', '57P03: the database system is starting up', 'node-starting-up', 'wait until it is up'],
    ['shutting-down', '57P03', 'node-shutting-down', 'start it again'],
    ['recovering', '57P03', 'node-recovering', 'wait until it is up'],
    ['too-many-connections', '53300: sorry', 'node-too-many-connections', 'raise max_connections'],
    ['auth', '28P01: password authentication failed', 'node-auth', 'correct the password'],
    ['auth', '28000: no pg_hba.conf entry', 'node-auth', 'pg_hba.conf'],
    ['auth', '3D000: database "repmgr" does not exist', 'node-auth', 'set monitor.database'],
    ['auth', 'the server asks for a password, and none is configured', 'node-auth', 'monitor.password_file'],
    ['auth', 'TLS: self-signed certificate', 'node-auth', 'monitor.sslmode (prefer)'],
    ['auth', '28P02: other', 'node-auth', 'the server log'],
    ['permission', '42501', 'node-permission', 'as a superuser'],
    ['protocol', 'not PostgreSQL', 'node-protocol', "PostgreSQL's own port"],
  ] as const)('name the failure and the remedy: %s, %s', (failure, detail, code, remedy) => {
    const { view, config } = viewOf({
      says: ['P1+', 'S1<node1', '.'],
      epoch: '1 node1',
      failures: { node3: [failure, detail] },
    })
    const finding = only(findNodeFaults(view, config))
    expect(finding).toMatchObject({ severity: 'problem', code, nodes: ['node3'] })
    expect(finding.message).toMatch(/^node3 at 127\.0\.0\.3:5432 /)
    expect(finding.message.endsWith(detail)).toBe(true)
    expect(finding.remedy).toContain(remedy)
  })

  it('tell of a discovered node that its address comes from conninfo', () => {
    const { view, config } = viewOf({ says: ['P1+', 'S1<node1', 'R'], epoch: '1 node1', discovered: ['node3'] })
    expect(only(findNodeFaults(view, config))).toMatchObject({
      code: 'conninfo-unreachable',
      message: expect.stringContaining('127.0.0.3:5432, the address in its conninfo, it refuses connections'),
      statements: ['- { name: node3, address: HOST:PORT }'],
    })
  })

  it('have the command that rejoins a stale primary to the present one', () => {
    const { view, config } = viewOf({ says: ['P1+', 'P2+', 'S2<node2'], epoch: '2 node2' })
    expect(only(findNodeFaults(view, config))).toMatchObject({
      severity: 'problem',
      code: 'stale-primary',
      message: 'node1 claims to be primary on timeline 1, below the accepted 2',
      statements: ["repmgr node rejoin -d 'host=127.0.0.2 port=5432 user=repmgr dbname=repmgr' --force-rewind"],
    })
  })

  it('offer the order that accepts a stale primary only while nobody serves', () => {
    const { view, config } = viewOf({ says: ['P1+', 'R'], epoch: '2 node2' })
    expect(findNodeFaults(view, config)).toContainEqual(
      expect.objectContaining({ code: 'stale-primary', statements: ['pgha-proxy accept node1'] }),
    )
  })

  it('name both identifiers of a foreign node', () => {
    const { view, config } = viewOf({ says: ['P1+', 'S1<node1', 'X'], epoch: '1 node1' })
    expect(only(findNodeFaults(view, config))).toMatchObject({
      severity: 'problem',
      code: 'foreign',
      message:
        'node3 belongs to another cluster: its system identifier is 7999999999999999999, the accepted one is 7000000000000000001',
    })
  })

  it('group nodes of different clusters while none of them is accepted', () => {
    const { view, config } = viewOf({ says: ['P1+', 'S1<node1', 'X'] })
    expect(only(findNodeFaults(view, config))).toMatchObject({
      code: 'different-clusters',
      message: expect.stringContaining(
        'node1 and node2 have system identifier 7000000000000000001; node3 has system identifier 7999999999999999999',
      ),
    })
  })

  it('do not take a witness for another cluster', () => {
    const { view, config } = viewOf({ says: ['P1+', 'S1<node1', 'W'] })
    expect(findNodeFaults(view, config)).toEqual([])
  })

  it.each([
    [['P1+', 'S?', 'S1<node1'], '1 node1', 'standby-not-following', 'node2 has no upstream', ['repmgr standby follow']],
    [
      ['S1<node3', 'P2+', 'S2<node2'],
      '2 node2',
      'standby-not-following',
      'node1 follows the older timeline 1',
      ['repmgr standby follow'],
    ],
    [
      ['P1!', 'S1<node1', 'S1<node1'],
      '1 node1',
      'read-only-primary',
      'writes fail',
      ['ALTER SYSTEM RESET default_transaction_read_only;', 'SELECT pg_reload_conf();'],
    ],
    [
      ['P1+', 'P1+', 'S1<node1'],
      '1 node1',
      'impostor',
      'node2 claims to be primary on timeline 1',
      ['pgha-proxy accept node2'],
    ],
  ] as const)('say what is wrong with a node that answers: %j', (says, epoch, code, message, statements) => {
    const { view, config } = viewOf({ says, epoch })
    const found = findNodeFaults(view, config).find((finding) => finding.code === code)
    expect(found?.message).toContain(message)
    expect(found?.statements).toEqual(statements)
  })

  it('show how to lift a fence', () => {
    const { view, config } = viewOf({ says: HEALTHY, epoch: '1 node1', fenced: ['node2'] })
    expect(only(findNodeFaults(view, config))).toMatchObject({
      code: 'fenced',
      statements: ['pgha-proxy unfence node2'],
    })
  })

  it('do not blame standbys for having no primary to follow', () => {
    const { view, config } = viewOf({ says: ['R', 'S?', 'S?'], epoch: '1 node1' })
    expect(findNodeFaults(view, config).map(({ code }) => code)).toEqual(['node-refused'])
  })

  it('do not call an upstream missing that the role may not see', () => {
    const blind = { readsWalReceiver: false }
    const { view, config } = viewOf({
      says: ['P1+', 'S?', 'S?'],
      epoch: '1 node1',
      capabilities: { node1: blind, node2: blind, node3: blind },
    })
    expect(findNodeFaults(view, config)).toEqual([])
  })
})

describe('findings about grants', () => {
  const denied = {
    kind: 'denied',
    missing: ['GRANT USAGE ON SCHEMA repmgr TO pgha', 'GRANT SELECT (node_id) ON repmgr.nodes TO pgha'],
  } as const

  it('have each statement once, with its semicolon, for the primary', () => {
    const lacks = { readsWalReceiver: false, repmgr: denied }
    const { view, config } = viewOf({
      says: HEALTHY,
      epoch: '1 node1',
      capabilities: { node1: lacks, node2: lacks, node3: lacks },
    })
    expect(only(findMissingGrants(view, config))).toMatchObject({
      severity: 'warning',
      nodes: ['node1', 'node2', 'node3'],
      remedy: 'run in database repmgr on node1, the primary (standbys get them by replication):',
      statements: [
        'GRANT pg_read_all_stats TO pgha;',
        'GRANT USAGE ON SCHEMA repmgr TO pgha;',
        'GRANT SELECT (node_id) ON repmgr.nodes TO pgha;',
        'GRANT SELECT (conninfo) ON repmgr.nodes TO pgha;',
      ],
    })
  })

  it('are told of a witness by itself, since it gets none by replication', () => {
    const { view, config } = viewOf({
      says: ['P1+', 'S1<node1', 'W'],
      epoch: '1 node1',
      capabilities: { node3: { repmgr: { kind: 'readable', conninfo: false, localNodeId: true } } },
    })
    expect(only(findMissingGrants(view, config))).toMatchObject({
      nodes: ['node3'],
      remedy: 'run in database repmgr on node3 (a witness gets none by replication):',
      statements: ['GRANT SELECT (conninfo) ON repmgr.nodes TO pgha;'],
    })
  })

  it('are a problem when the node cannot be observed without them', () => {
    const { view, config } = viewOf({
      says: HEALTHY,
      epoch: '1 node1',
      capabilities: { node1: { deniedFunctions: ['pg_catalog.pg_control_system()'] } },
    })
    expect(only(findMissingGrants(view, config))).toMatchObject({
      severity: 'problem',
      statements: ['GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO pgha;'],
    })
  })

  it('do not ask for conninfo where nothing is discovered', () => {
    const { view, config } = viewOf({
      says: HEALTHY,
      capabilities: { node1: { repmgr: { kind: 'readable', conninfo: false, localNodeId: true } } },
    })
    expect(findMissingGrants(view, { ...config, discovery: 'none' })).toEqual([])
  })
})

describe('findings about repmgr.nodes', () => {
  /** Changes the rows of node1. */
  function withRows(
    change: (rows: NodeAnswer['repmgr'] & { kind: 'rows' }) => NodeAnswer['repmgr'],
    options: Partial<ViewOptions> = {},
  ) {
    const made = viewOf({ says: HEALTHY, epoch: '1 node1', ...options })
    const evidence = new Map(made.view.evidence)
    const known = evidence.get('node1')
    if (known?.lastAnswer?.answer.repmgr.kind !== 'rows') throw new Error('node1 has no rows')
    const { lastAnswer } = known
    const repmgr = change(known.lastAnswer.answer.repmgr)
    evidence.set('node1', { ...known, lastAnswer: { ...lastAnswer, answer: { ...lastAnswer.answer, repmgr } } })
    return { ...made, view: { ...made.view, evidence } }
  }
  const rename = (to: string, host?: string) =>
    withRows((repmgr) => ({
      ...repmgr,
      rows: repmgr.rows.map((row) =>
        row.nodeName !== 'node3'
          ? row
          : { ...row, nodeName: to, address: host === undefined ? row.address : { host, port: 5432 } },
      ),
    }))

  it('tell of a node that repmgr does not know, and whom it knows', () => {
    const { view, config } = rename('node9', '10.0.0.9')
    expect(only(findRepmgrFaults(view, config))).toMatchObject({
      severity: 'warning',
      code: 'unknown-to-repmgr',
      message:
        'repmgr.nodes has no row for node3 at 127.0.0.3:5432: it has node1 (127.0.0.1:5432), node2 (127.0.0.2:5432), node9 (10.0.0.9:5432)',
    })
  })

  it('tell of a node that has another name there', () => {
    const { view, config } = rename('pg-c')
    expect(only(findRepmgrFaults(view, config))).toMatchObject({
      code: 'name-differs',
      message: 'node3 is pg-c in repmgr.nodes',
      statements: ['- { name: pg-c, address: 127.0.0.3:5432 }'],
    })
  })

  it('know a node by its server when name and address both differ', () => {
    const { view, config } = rename('pg-c', '10.0.0.9')
    const same = view.evidence.get('node3')
    if (same === undefined) throw new Error('node3 was not probed')
    const evidence = new Map([...view.evidence, ['pg-c', same] as const])
    expect(only(findRepmgrFaults({ ...view, evidence }, config))).toMatchObject({ code: 'name-differs' })
  })

  it('tell of a registered node whose conninfo names no host', () => {
    const { view, config } = withRows((repmgr) => ({
      ...repmgr,
      rows: [
        ...repmgr.rows,
        { nodeId: 4, nodeName: 'node4', type: 'standby', active: true, upstreamNodeId: 1, address: null },
      ],
    }))
    expect(only(findRepmgrFaults(view, config))).toMatchObject({ code: 'conninfo-without-host', nodes: ['node4'] })
  })

  it('note that there is no such table, unless discovery is off', () => {
    const { view, config } = viewOf({ says: ['P1', 'S1<node1'], epoch: '1 node1' })
    expect(only(findRepmgrFaults(view, config))).toMatchObject({ severity: 'note', code: 'no-repmgr' })
    expect(findRepmgrFaults(view, { ...config, discovery: 'none' })).toEqual([])
  })

  it('leave a denied table to the grants', () => {
    const { view, config } = withRows(() => ({ kind: 'denied', missing: 'GRANT …' }))
    expect(findRepmgrFaults(view, config)).toEqual([])
  })
})

describe('findings about servers', () => {
  const of = (facts: NonNullable<ViewOptions['facts']>, options: Partial<ViewOptions> = {}) => {
    const { view, config } = viewOf({ says: HEALTHY, epoch: '1 node1', facts, ...options })
    return findServerFaults(view, config)
  }

  it('tell where pg_rewind cannot work', () => {
    expect(only(of({ node1: { walLogHints: false }, node3: { walLogHints: false } }))).toMatchObject({
      severity: 'warning',
      code: 'no-rewind',
      nodes: ['node1', 'node3'],
      statements: ['wal_log_hints = on'],
    })
  })

  it('are content with data checksums, and do not ask it of a witness', () => {
    expect(of({ node1: { walLogHints: false, dataChecksums: true } })).toEqual([])
    expect(of({ node3: { walLogHints: false } }, { says: ['P1+', 'S1<node1', 'W'] })).toEqual([])
  })

  it.each([
    [2_000, null],
    [2_001, 'the clock of node2 is 2 s ahead of this machine'],
    [-2_001, 'the clock of node2 is 2 s behind this machine'],
    [-90_000, 'the clock of node2 is 1 min behind this machine'],
  ])('tell of a clock that differs by %d ms: %s', (clockAheadMs, message) => {
    const messages = of({ node2: { clockAheadMs } }).map((finding) => finding.message)
    expect(messages).toEqual(message === null ? [] : [expect.stringContaining(message)])
  })

  it('note a primary that takes fewer sessions than the proxy, its reserved places aside', () => {
    expect(only(of({ node1: { maxConnections: 10_002 } }))).toMatchObject({
      severity: 'note',
      code: 'max-connections',
      message: expect.stringContaining('node1 takes 9999 sessions at once, limits.max_sessions is 10000'),
    })
    expect(of({ node1: { maxConnections: 10_003 }, node2: { maxConnections: 10 } })).toEqual([])
  })

  it('note servers that do not say at login what they are', () => {
    const { view, config } = viewOf({
      says: HEALTHY,
      epoch: '1 node1',
      capabilities: { node2: { serverVersion: 130_009 } },
    })
    expect(only(findServerFaults(view, config))).toMatchObject({ code: 'no-login-check', nodes: ['node2'] })
  })

  it('note settings that could not be asked for', () => {
    expect(only(of({ node2: '53300: sorry' }))).toMatchObject({
      severity: 'note',
      message: 'the settings of node2 could not be asked for: 53300: sorry',
    })
  })
})

describe('the order of findings', () => {
  it('puts problems first and keeps what is equally bad in its order', () => {
    const make = (severity: Finding['severity'], code: string): Finding => ({
      severity,
      code,
      nodes: [],
      message: '',
      remedy: '',
      statements: [],
    })
    const ordered = inOrderOfSeverity([
      make('note', 'a'),
      make('warning', 'b'),
      make('problem', 'c'),
      make('warning', 'd'),
    ])
    expect(ordered.map(({ code }) => code).join('')).toBe('cbda')
  })
})
