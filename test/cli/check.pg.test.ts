import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CheckReport } from '../../src/cli/check/report.ts'
import { main } from '../../src/cli/main.ts'
import { freePort } from '../support/free-port.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { type ProxiedCluster, type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { MONITOR_LOGIN } from '../support/roles.ts'
import { fakeTerminal } from './fake-terminal.ts'

const PASSWORD_VARIABLE = 'TEST_MONITOR_PASSWORD'
const CLEAN = 'nothing to complain about\n'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-check-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A configuration with which a sound cluster has no finding at all. */
async function configFor(
  cluster: ProxiedCluster,
  overrides: Readonly<Record<string, unknown>> = {},
): Promise<ProxyConfig> {
  return await writeProxyConfig(folder, cluster, {
    limits: { max_sessions: 50 },
    ...overrides,
    monitor: { password: `\${${PASSWORD_VARIABLE}}`, ...(overrides['monitor'] as object | undefined) },
  })
}

async function check(config: ProxyConfig, ...args: string[]) {
  const terminal = fakeTerminal({ environment: { [PASSWORD_VARIABLE]: MONITOR_LOGIN.password, HOME: folder } })
  const code = await main(['check', '--config', config.file, ...args], terminal)
  expect(terminal.stderr()).toBe('')
  return { code, stdout: terminal.stdout() }
}

async function checkJson(config: ProxyConfig): Promise<CheckReport & { readonly code: number }> {
  const { code, stdout } = await check(config, '--json')
  return { ...(JSON.parse(stdout) as CheckReport), code }
}

/** The finding of that code; fails with all findings when there is not exactly one. */
function findingOf({ findings }: CheckReport, code: string) {
  const found = findings.filter((finding) => finding.code === code)
  expect(found, JSON.stringify(findings, null, 2)).toHaveLength(1)
  return found[0]
}

/** Sessions on the server besides our own. */
async function strangersOn(server: PostgresServer): Promise<unknown> {
  return await server.value("SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE 'pgha-proxy%'")
}

describe('check of a running cluster', () => {
  let cluster: PostgresCluster
  let node1: PostgresServer
  let node2: PostgresServer

  beforeAll(async () => {
    cluster = await createCluster({ nodes: 2, repmgrTables: true })
    node1 = cluster.node('node1')
    node2 = cluster.node('node2')
  })
  afterAll(() => cluster.destroy())

  it('finds nothing wrong with a healthy one, and leaves nothing behind', async () => {
    const config = await configFor(cluster)
    const { code, stdout } = await check(config)
    expect(stdout).toMatch(/^node1 +\S+ +primary +1 +no +- +\d/m)
    expect(stdout).toMatch(/^node2 +\S+ +standby +1 +yes +\d\S* \S*B +\d/m)
    expect(stdout).toMatch(/^serving {2}node1 is primary on timeline 1\n {9}before that: accepting node1/m)
    expect(stdout.endsWith(CLEAN)).toBe(true)
    expect(code).toBe(0)
    await expect(async () => statSync(join(config.stateDirectory, 'state.json'))).rejects.toThrow('ENOENT')
    await node1.waitFor("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'pgha-proxy%'")
    expect(await strangersOn(node2)).toBe(0)
  })

  it('prints the very GRANTs that are missing, and these cure it', async () => {
    const config = await configFor(cluster)
    const { user } = MONITOR_LOGIN
    await node1.query(
      `REVOKE pg_read_all_stats FROM ${user}; REVOKE ALL ON ALL TABLES IN SCHEMA repmgr FROM ${user}; REVOKE USAGE ON SCHEMA repmgr FROM ${user}`,
      { database: 'repmgr' },
    )
    await cluster.waitForReplay(node1)
    const { code, stdout } = await check(config)
    const statements = [...stdout.matchAll(/^ +(GRANT .*;)$/gm)].map(([, statement = '']) => statement)
    expect(statements).toEqual([
      'GRANT pg_read_all_stats TO pgha;',
      'GRANT USAGE ON SCHEMA repmgr TO pgha;',
      'GRANT SELECT (node_id, upstream_node_id, active, node_name, type) ON repmgr.nodes TO pgha;',
      'GRANT SELECT (conninfo) ON repmgr.nodes TO pgha;',
    ])
    expect(stdout).toContain('run in database repmgr on node1, the primary (standbys get them by replication):')
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('1 warning')
    expect(code).toBe(0)

    for (const statement of statements) await node1.query(statement, { database: 'repmgr' })
    await cluster.waitForReplay(node1)
    const cured = await check(config)
    expect(cured.stdout.endsWith(CLEAN)).toBe(true)
  })

  it('names a node that nobody answers for, and the rest is as it was', async () => {
    const port = await freePort()
    const nodes = [...cluster.nodes, { name: 'node3', host: '127.0.0.1', port }]
    const report = await checkJson(await configFor({ nodes, monitor: cluster.monitor }))
    expect(report).toMatchObject({ code: 0, state: 'serving', primary: 'node1' })
    expect(report.nodes[2]).toMatchObject({
      role: 'unreachable',
      inRecovery: null,
      detail: expect.stringContaining('ECONNREFUSED'),
    })
    expect(findingOf(report, 'node-refused')).toMatchObject({ severity: 'problem', nodes: ['node3'] })
    expect(findingOf(report, 'unknown-to-repmgr')).toMatchObject({ nodes: ['node3'] })
  })

  it('probes the nodes that repmgr knows and the configuration does not', async () => {
    const report = await checkJson(await configFor({ nodes: [node1], monitor: cluster.monitor }))
    expect(report.nodes.map(({ name, discovered, role }) => [name, discovered, role])).toEqual([
      ['node1', false, 'primary'],
      ['node2', true, 'standby'],
    ])
    expect(report.findings).toEqual([])
  })

  it('tells when the address in a conninfo does not work from here', async () => {
    const rows = await cluster.repmgrRows(node1)
    const port = await freePort()
    const unreachable = {
      nodeId: 3,
      upstreamNodeId: 1,
      active: true,
      nodeName: 'node3',
      type: 'standby',
      conninfo: `host=127.0.0.1 port=${port}`,
    } as const
    await cluster.setRepmgrRows(node1, [...rows, unreachable])
    try {
      const report = await checkJson(await configFor(cluster))
      expect(findingOf(report, 'conninfo-unreachable')).toMatchObject({
        severity: 'problem',
        nodes: ['node3'],
        message: expect.stringContaining(`127.0.0.1:${port}, the address in its conninfo, it refuses connections`),
      })
      expect(report.code).toBe(0)
    } finally {
      await cluster.setRepmgrRows(node1, rows)
    }
  })

  it('tells of names that differ from those in repmgr.nodes', async () => {
    const nodes = cluster.nodes.map(({ name, host, port }) => ({ name: name.replace('node', 'pg-'), host, port }))
    const report = await checkJson(await configFor({ nodes, monitor: cluster.monitor }))
    expect(report.primary).toBe('pg-1')
    expect(report.findings.map(({ code, message }) => [code, message])).toEqual([
      ['name-differs', 'pg-1 is node1 in repmgr.nodes'],
      ['name-differs', 'pg-2 is node2 in repmgr.nodes'],
    ])
  })

  it('decides with the memory of the state file, which it does not touch', async () => {
    const config = await configFor(cluster)
    const file = join(config.stateDirectory, 'state.json')
    const systemIdentifier = String(await node1.value('SELECT system_identifier::text FROM pg_control_system()'))
    const epoch = { systemIdentifier, timelineId: 7, node: 'node2', at: '2026-01-01T00:00:00.000Z' }
    writeFileSync(file, JSON.stringify({ version: 1, epoch, fenced: [] }))
    const before = { text: readFileSync(file, 'utf8'), writtenAt: statSync(file).mtimeMs }
    const report = await checkJson(config)
    expect(report).toMatchObject({ code: 3, primary: null, timelineId: 7 })
    expect(report.nodes[0]).toMatchObject({ name: 'node1', role: 'stale-primary' })
    expect(findingOf(report, 'stale-primary')?.statements).toEqual(['pgha-proxy accept node1'])
    expect({ text: readFileSync(file, 'utf8'), writtenAt: statSync(file).mtimeMs }).toEqual(before)
  })

  it('tells of a wrong password what may be corrected', async () => {
    const report = await checkJson(await configFor(cluster, { monitor: { password: 'wrong' } }))
    expect(report).toMatchObject({ code: 3, state: 'no-primary' })
    const findings = report.findings.filter(({ code }) => code === 'node-auth')
    expect(findings.map(({ nodes }) => nodes)).toEqual([['node1'], ['node2']])
    expect(findings[0]?.remedy).toContain('correct the password')
    expect(JSON.stringify(report)).not.toContain('"wrong"')
  })

  it('asks the same through the sslmode that the server cannot do, and says so', async () => {
    const report = await checkJson(await configFor(cluster, { monitor: { sslmode: 'require' } }))
    expect(report.findings.filter(({ code }) => code === 'node-auth').at(0)).toMatchObject({
      message: expect.stringContaining('does not offer TLS'),
      remedy: expect.stringContaining('monitor.sslmode (require)'),
    })
  })

  it('tells where the primary takes fewer sessions than the proxy', async () => {
    const report = await checkJson(await configFor(cluster, { limits: { max_sessions: 58 } }))
    expect(findingOf(report, 'max-connections')?.message).toContain(
      'node1 takes 57 sessions at once, limits.max_sessions is 58',
    )
  })

  it('warns of a server that pg_rewind could not bring back', async () => {
    node2.configure({ wal_log_hints: false })
    await node2.stop()
    await node2.start()
    try {
      const report = await checkJson(await configFor(cluster))
      const hasChecksums = (await node2.value('SHOW data_checksums')) === 'on'
      expect(report.findings.map(({ code, nodes }) => [code, nodes])).toEqual(
        hasChecksums ? [] : [['no-rewind', ['node2']]],
      )
    } finally {
      node2.configure({ wal_log_hints: true })
      await node2.stop()
      await node2.start()
      await cluster.waitForStreaming(node1)
    }
  })

  it('recognises a node of another cluster, before and after one was accepted', async () => {
    const other = await createCluster({ nodes: 1, freshInitdb: true })
    try {
      const stranger = {
        ...other.node('node1'),
        name: 'node3',
        host: other.node('node1').host,
        port: other.node('node1').port,
      }
      const login = { ...cluster.monitor, database: 'postgres' }
      const config = await configFor({ nodes: [...cluster.nodes, stranger], monitor: login })
      const cold = await checkJson(config)
      expect(cold).toMatchObject({ code: 3, state: 'no-primary' })
      expect(findingOf(cold, 'different-clusters')?.nodes).toEqual(['node1', 'node2', 'node3'])

      const epoch = {
        systemIdentifier: cold.nodes[0]?.systemIdentifier,
        timelineId: 1,
        node: 'node1',
        at: '2026-01-01T00:00:00.000Z',
      }
      writeFileSync(join(config.stateDirectory, 'state.json'), JSON.stringify({ version: 1, epoch, fenced: [] }))
      const warm = await checkJson(config)
      expect(warm).toMatchObject({ code: 0, primary: 'node1' })
      expect(findingOf(warm, 'foreign')).toMatchObject({ severity: 'problem', nodes: ['node3'] })
    } finally {
      await other.destroy()
    }
  })

  it('ends with 3 when there is no primary', async () => {
    await node1.kill()
    const { code, stdout } = await check(await configFor(cluster))
    expect(stdout).toMatch(
      /^no-primary {2}no node claims to be primary; node1 refuses connections, node2 is a standby/m,
    )
    expect(stdout).toMatch(/^problem {2}node1 at \S+ refuses connections: .*\n {9}start PostgreSQL there/m)
    expect(code).toBe(3)
    await node1.start()
    await cluster.waitForStreaming(node1)
  })
})
