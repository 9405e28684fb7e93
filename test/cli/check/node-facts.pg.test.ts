import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type FactsResult, type NodeFacts, readNodeFacts } from '../../../src/cli/check/node-facts.ts'
import { systemClock } from '../../../src/daemon/system-clock.ts'
import { createSharedLookup } from '../../../src/net/shared-lookup.ts'
import type { MonitorAccess } from '../../../src/probe/monitor-access.ts'
import { createCluster, type PostgresCluster } from '../../support/postgres-cluster.ts'
import type { PostgresServer } from '../../support/postgres-server.ts'
import { MONITOR_LOGIN } from '../../support/roles.ts'

let cluster: PostgresCluster
let node1: PostgresServer
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-facts-'))
  cluster = await createCluster({ nodes: 1 })
  node1 = cluster.node('node1')
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')]
  execFileSync(
    'openssl',
    // biome-ignore format: one option a line says less.
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${node1.host}`, '-addext', `subjectAltName=IP:${node1.host}`, '-keyout', key, '-out', certificate],
    { stdio: 'pipe' },
  )
  node1.configure({
    ssl: true,
    ssl_key_file: node1.writeFile('server.key', readFileSync(key)),
    ssl_cert_file: node1.writeFile('server.crt', readFileSync(certificate)),
    superuser_reserved_connections: 5,
  })
  await node1.restart()
})
afterAll(async () => {
  await cluster.destroy()
  rmSync(folder, { recursive: true })
})
afterEach(async () => {
  node1.setHbaLines([])
  node1.reload()
  // Whatever came of it, no connection stays.
  await node1.waitFor("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgha-proxy check'")
})

function read(
  access: Partial<MonitorAccess & { password: string | null }> = {},
  clock = systemClock,
): Promise<FactsResult> {
  return readNodeFacts({
    address: { host: node1.host, port: node1.port },
    access: { ...MONITOR_LOGIN, sslmode: 'disable', timeoutMs: 5_000, ...access },
    lookup: createSharedLookup(),
    clock,
  })
}

async function mustRead(...args: Parameters<typeof read>): Promise<NodeFacts> {
  const result = await read(...args)
  if (!result.ok) throw new Error(result.problem)
  return result.facts
}

describe('the facts of a node', () => {
  it('are its settings, as any role may read them', async () => {
    const { clockAheadMs, ...facts } = await mustRead()
    const [shown] = await node1.query(
      `SELECT split_part(current_setting('server_version'), ' ', 1) AS "serverVersion",
        current_setting('wal_log_hints')::bool AS "walLogHints", current_setting('data_checksums')::bool AS "dataChecksums",
        current_setting('max_connections')::int AS "maxConnections", 5 AS "reservedConnections"`,
    )
    expect(facts).toEqual(shown)
    expect(Math.abs(clockAheadMs)).toBeLessThan(1_000)
  })

  it.each([-10_000, 10_000])('tell the clocks apart when ours is off by %d ms', async (offMs) => {
    const clock = { ...systemClock, wallTime: () => new Date(Date.now() + offMs) }
    const { clockAheadMs } = await mustRead({}, clock)
    expect(clockAheadMs).toBeGreaterThan(-offMs - 1_000)
    expect(clockAheadMs).toBeLessThan(-offMs + 1_000)
  })

  it.each([
    ['require', 'hostssl all pgha all scram-sha-256'],
    ['prefer', 'hostssl all pgha all scram-sha-256'],
    ['prefer', 'hostnossl all pgha all scram-sha-256'],
    ['allow', 'hostssl all pgha all scram-sha-256'],
  ] as const)('are had with sslmode %s where the server only takes %s', async (sslmode, hbaLine) => {
    node1.setHbaLines([hbaLine, 'host all pgha all reject'])
    node1.reload()
    await node1.waitFor("SELECT count(*) = 1 FROM pg_hba_file_rules WHERE auth_method = 'reject'")
    expect(await mustRead({ sslmode })).toMatchObject({ reservedConnections: 5 })
  })

  it.each([
    ['a wrong password, without repeating it', { password: 'hunter2' }, /^28P01: password authentication failed/],
    ['no password', { password: null }, /password/],
    ['no such database', { database: 'nowhere' }, /^3D000/],
  ] as const)('come with one line when there are none: %s', async (_what, access, problem) => {
    const result = await read(access)
    expect(result).toMatchObject({ ok: false, problem: expect.stringMatching(problem) })
    expect(JSON.stringify(result)).not.toContain('hunter2')
  })

  it('are given up when the node is silent', async () => {
    await node1.freeze()
    try {
      expect(await read({ timeoutMs: 200 })).toEqual({ ok: false, problem: 'no answer within 200 ms' })
    } finally {
      node1.thaw()
    }
  })
})
