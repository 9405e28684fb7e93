import { readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { explainMissingGrants } from '../../src/probe/capabilities.ts'
import type { MonitorAccess } from '../../src/probe/monitor-access.ts'
import type { Observation } from '../../src/topology/observation.ts'
import { waitFor } from '../support/condition.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { withClient } from '../support/sql.ts'
import { probeServer, type TestProber } from './probe-support.ts'

const probers: TestProber[] = []

afterEach(async () => {
  await Promise.all(probers.splice(0).map((prober) => prober.close()))
})

function probe(server: PostgresServer, access: Partial<MonitorAccess> = {}): TestProber {
  const prober = probeServer(server, access)
  probers.push(prober)
  return prober
}

const REPMGR = { database: 'repmgr' }

/** How many monitoring sessions the server has. */
async function monitorSessions(server: PostgresServer): Promise<number> {
  return Number(await server.value(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgha-proxy'`))
}

describe('a probe of a healthy cluster', () => {
  let cluster: PostgresCluster
  let node1: PostgresServer
  let node2: PostgresServer

  beforeAll(async () => {
    cluster = await createCluster({ nodes: 2, repmgrTables: true })
    node1 = cluster.node('node1')
    node2 = cluster.node('node2')
  })

  afterAll(() => cluster.destroy())

  it('sees a primary with its timeline, its position and its rows', async () => {
    const answer = await probe(node1, REPMGR).answer()
    expect(answer).toMatchObject({
      inRecovery: false,
      timelineId: 1,
      timelineIdAtLeast: 1,
      systemIdentifier: await node1.value('SELECT system_identifier::text FROM pg_control_system()'),
      replayLsn: null,
      walReceiver: null,
      defaultTransactionReadOnly: false,
      repmgr: {
        kind: 'rows',
        localNodeId: null,
        rows: [
          {
            nodeId: 1,
            nodeName: 'node1',
            type: 'primary',
            active: true,
            upstreamNodeId: null,
            address: { host: node1.host, port: node1.port },
          },
          {
            nodeId: 2,
            nodeName: 'node2',
            type: 'standby',
            active: true,
            upstreamNodeId: 1,
            address: { host: node2.host, port: node2.port },
          },
        ],
      },
    })
    expect(answer.lsn).toBeGreaterThan(0n)
    expect(answer.postmasterStartedAt).toBe(
      await node1.value('SELECT round(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text'),
    )
  })

  it('sees a standby that streams, and from where', async () => {
    const [primary, standby] = await Promise.all([probe(node1, REPMGR).answer(), probe(node2, REPMGR).answer()])
    expect(standby).toMatchObject({
      inRecovery: true,
      timelineId: 1,
      systemIdentifier: primary.systemIdentifier,
      walReceiver: { status: 'streaming', senderHost: node1.host, senderPort: node1.port, receivedTimelineId: 1 },
    })
    expect(standby.repmgr).toEqual(primary.repmgr)
    expect(standby.walReceiver?.lastMessageAgeMs).toBeGreaterThanOrEqual(0)
    expect(standby.lsn).toBeGreaterThan(0n)
    expect(standby.replayLsn).toBeGreaterThan(0n)
    expect(standby.postmasterStartedAt).not.toBe(primary.postmasterStartedAt)
  })

  it('keeps one session, also when it is renewed', async () => {
    const prober = probe(node1)
    for (let count = 0; count < 3; count++) expect(await prober.askFresh()).toMatchObject({ kind: 'answered' })
    await waitFor('the replaced sessions to be gone', async () => (await monitorSessions(node1)) === 1)
    await prober.close()
    await waitFor('the last session to be gone', async () => (await monitorSessions(node1)) === 0)
  })

  it('works through a Unix socket', async () => {
    const prober = probeServer({ name: 'node1', host: node1.folder, port: node1.port })
    probers.push(prober)
    expect(await prober.answer()).toMatchObject({ inRecovery: false })
  })

  it('tells a server of another cluster by its identifier', async () => {
    const other = await createCluster({ nodes: 1, freshInitdb: true })
    try {
      const [own, foreign] = await Promise.all([probe(node1).answer(), probe(other.node('node1')).answer()])
      expect(foreign.systemIdentifier).not.toBe(own.systemIdentifier)
    } finally {
      await other.destroy()
    }
  })

  it('is no verdict when its own session was terminated', async () => {
    const prober = probe(node1)
    await prober.answer()
    await node1.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgha-proxy'`)
    await waitFor('the loss to be noticed', () => prober.events.some(({ kind }) => kind === 'lost'))
    expect(prober.events.at(-1)).toMatchObject({ kind: 'lost', detail: expect.stringContaining('57P01') })
    expect(await prober.answer()).toMatchObject({ inRecovery: false })
  })

  it.each<[string, Partial<MonitorAccess>, string, string]>([
    ['a wrong password', { password: 'wrong' }, 'auth', '28P01'],
    ['no password', { password: null }, 'auth', 'none is configured'],
    ['a role that does not exist', { user: 'nobody' }, 'auth', '28P01'],
    ['a database that does not exist', { database: 'nowhere' }, 'auth', 'monitor.database'],
  ])('with %s says so', async (_, access, failure, text) => {
    expect(await probe(node1, access).ask()).toMatchObject({
      kind: 'failed',
      failure,
      detail: expect.stringContaining(text),
    })
  })

  it('asks for the password at each connection, so that a rotated one counts', async () => {
    let password = 'wrong'
    const prober = probe(node1, { password: async () => password })
    expect(await prober.ask()).toMatchObject({ failure: 'auth' })
    password = 'pgha-monitor'
    expect(await prober.ask()).toMatchObject({ kind: 'answered' })
  })

  describe('that is read-only by default', () => {
    afterEach(async () => {
      node1.configure({ default_transaction_read_only: null })
      node1.reload()
      await node1.query('ALTER ROLE pgha RESET default_transaction_read_only')
    })

    it('says so of the server, and is still a primary, also over a session that was open before', async () => {
      const prober = probe(node1)
      expect(await prober.answer()).toMatchObject({ defaultTransactionReadOnly: false })
      node1.configure({ default_transaction_read_only: true })
      node1.reload()
      const seen = await waitFor('the setting to be seen', () => prober.answer(), {
        until: (answer) => answer.defaultTransactionReadOnly,
      })
      expect(seen).toMatchObject({ inRecovery: false, timelineId: 1 })
    })

    it('does not take the caution of its own role for it', async () => {
      await node1.query('ALTER ROLE pgha SET default_transaction_read_only = on')
      expect(await probe(node1).answer()).toMatchObject({ defaultTransactionReadOnly: false })
    })
  })
})

describe('the grants of the monitoring role', () => {
  let cluster: PostgresCluster
  let node1: PostgresServer

  beforeAll(async () => {
    cluster = await createCluster({ nodes: 1, repmgrTables: true })
    node1 = cluster.node('node1')
  })

  afterAll(() => cluster.destroy())

  const login = { user: 'watcher', password: 'watching', database: 'repmgr' }

  beforeEach(async () => {
    await node1.query(`CREATE ROLE watcher LOGIN PASSWORD 'watching'`)
  })

  afterEach(async () => {
    await node1.query('DROP OWNED BY watcher', { database: 'repmgr' })
    await node1.query('DROP OWNED BY watcher; DROP ROLE watcher')
  })

  it('may be missing altogether: the server is seen all the same, and the exact remedy is told', async () => {
    const prober = probe(node1, login)
    const { inRecovery, timelineId, repmgr } = await prober.answer()
    expect({ inRecovery, timelineId }).toEqual({ inRecovery: false, timelineId: 1 })
    expect(repmgr).toEqual({
      kind: 'denied',
      missing:
        'GRANT USAGE ON SCHEMA repmgr TO watcher; ' +
        'GRANT SELECT (node_id, upstream_node_id, active, node_name, type) ON repmgr.nodes TO watcher',
    })

    const capabilities = prober.capabilities()
    if (capabilities === null) throw new Error('nothing was learned')
    const grants = explainMissingGrants(capabilities, { discovery: true })
    expect(grants[0]).toBe('GRANT pg_read_all_stats TO watcher')
    for (const grant of grants) await node1.query(grant, { database: 'repmgr' })

    expect(await prober.askFresh()).toMatchObject({
      kind: 'answered',
      answer: { repmgr: { kind: 'rows', rows: [{ nodeName: 'node1', address: { port: node1.port } }] } },
    })
    const after = prober.capabilities()
    expect(after === null ? null : explainMissingGrants(after, { discovery: true })).toEqual([])
  })

  it('may leave conninfo out: rows without addresses', async () => {
    await node1.query(
      `GRANT USAGE ON SCHEMA repmgr TO watcher;
       GRANT SELECT (node_id, upstream_node_id, active, node_name, type) ON repmgr.nodes TO watcher`,
      { database: 'repmgr' },
    )
    expect((await probe(node1, login).answer()).repmgr).toMatchObject({
      kind: 'rows',
      rows: [{ nodeName: 'node1', type: 'primary', address: null }],
    })
  })

  it('may be taken away while a session is open', async () => {
    await node1.query('GRANT USAGE ON SCHEMA repmgr TO watcher; GRANT SELECT ON repmgr.nodes TO watcher', {
      database: 'repmgr',
    })
    const prober = probe(node1, login)
    expect((await prober.answer()).repmgr).toMatchObject({ kind: 'rows' })
    await node1.query('REVOKE SELECT ON repmgr.nodes FROM watcher', { database: 'repmgr' })
    expect((await prober.answer()).repmgr).toMatchObject({ kind: 'denied' })
    expect(prober.events.map(({ kind }) => kind)).toEqual(['opened'])
  })

  it('are named when somebody revoked what everybody has', async () => {
    await node1.query('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC', { database: 'repmgr' })
    try {
      const prober = probe(node1, login)
      expect(await prober.ask()).toMatchObject({
        failure: 'permission',
        detail: expect.stringContaining('GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO watcher'),
      })
    } finally {
      await node1.query('GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC', { database: 'repmgr' })
    }
  })

  it('never cost an error in the log of the server', async () => {
    const errorsInLog = () =>
      readFileSync(node1.logFile, 'utf8')
        .split('\n')
        .filter((line) => /ERROR|FATAL/.test(line))
    const before = errorsInLog().length
    for (const database of ['repmgr', 'postgres', 'template1']) {
      const prober = probe(node1, { ...login, database })
      await prober.answer()
      await prober.askFresh()
      await prober.close()
    }
    expect(errorsInLog().slice(before)).toEqual([])
  })
})

describe('the table of repmgr', () => {
  let cluster: PostgresCluster
  let node1: PostgresServer

  beforeAll(async () => {
    cluster = await createCluster({ nodes: 1, repmgrTables: true })
    node1 = cluster.node('node1')
  })

  afterAll(() => cluster.destroy())

  it('is absent in a database without it', async () => {
    expect((await probe(node1).answer()).repmgr).toEqual({ kind: 'absent' })
  })

  it('may be locked: the server is seen without its rows, within the time of the probe', async () => {
    const prober = probe(node1, { ...REPMGR, timeoutMs: 2_000 })
    await prober.answer()
    await withClient(node1, REPMGR, async (client) => {
      await client.query('BEGIN; LOCK TABLE repmgr.nodes IN ACCESS EXCLUSIVE MODE')
      const locked = await prober.answer()
      expect(locked).toMatchObject({
        timelineId: 1,
        repmgr: { kind: 'denied', missing: expect.stringContaining('55P03') },
      })
      await client.query('ROLLBACK')
    })
    expect((await prober.answer()).repmgr).toMatchObject({ kind: 'rows' })
    expect(prober.events.map(({ kind }) => kind)).toEqual(['opened'])
  })

  it('may have a function whose library is missing: the server is seen all the same', async () => {
    await node1.query(
      `CREATE OR REPLACE FUNCTION repmgr.get_local_node_id() RETURNS integer LANGUAGE plpgsql
       AS $$ BEGIN RAISE SQLSTATE '58P01' USING MESSAGE = 'could not access file "repmgr"'; END $$`,
      REPMGR,
    )
    expect(await probe(node1, REPMGR).answer()).toMatchObject({
      timelineId: 1,
      repmgr: { kind: 'denied', missing: expect.stringContaining('could not access file') },
    })
  })

  it('may go away while a session is open, and is noticed by a fresh one when it comes back', async () => {
    const prober = probe(node1, REPMGR)
    await prober.answer()
    await node1.query('ALTER SCHEMA repmgr RENAME TO old_repmgr', REPMGR)
    expect((await prober.answer()).repmgr).toEqual({ kind: 'absent' })
    await node1.query(
      `ALTER SCHEMA old_repmgr RENAME TO repmgr;
       CREATE OR REPLACE FUNCTION repmgr.get_local_node_id() RETURNS integer LANGUAGE sql AS 'SELECT 1'`,
      REPMGR,
    )
    expect(await prober.askFresh()).toMatchObject({ answer: { repmgr: { kind: 'rows', localNodeId: 1 } } })
  })
})

describe('a probe of a server in trouble', () => {
  let cluster: PostgresCluster
  let node1: PostgresServer
  let node2: PostgresServer

  beforeEach(async () => {
    cluster = await createCluster({ nodes: 2, settings: { max_connections: 20 } })
    node1 = cluster.node('node1')
    node2 = cluster.node('node2')
  })

  afterEach(() => cluster.destroy())

  it('follows a promotion every few milliseconds without one error, with the new timeline from the first moment on', async () => {
    const prober = probe(node2)
    await prober.answer()
    const seen: Observation[] = []
    const promoted = node2.promote()
    await waitFor(
      'the promotion to be seen',
      async () => {
        const observation = await prober.ask()
        seen.push(observation)
        return observation.kind === 'answered' && !observation.answer.inRecovery
      },
      { intervalMs: 5 },
    )
    await promoted
    seen.push(await prober.ask())
    const answers = seen.map((observation) =>
      observation.kind === 'answered'
        ? `${observation.answer.inRecovery ? 'standby' : 'primary'} ${observation.answer.timelineId}`
        : `${observation.failure} ${observation.detail}`,
    )
    const allowed = ['standby 1', 'standby null', 'primary 2']
    expect(answers.filter((answer) => !allowed.includes(answer))).toEqual([])
    expect(answers).toContain('primary 2')
    expect(prober.events.map(({ kind }) => kind)).toEqual(['opened'])
  })

  it('knows only a lower bound of the timeline of a standby whose upstream is gone', async () => {
    const prober = probe(node2)
    await prober.answer()
    await node1.kill()
    const orphan = await waitFor('the receiver to be gone', () => prober.answer(), {
      until: ({ walReceiver }) => walReceiver === null,
    })
    expect(orphan).toMatchObject({ inRecovery: true, timelineId: null, timelineIdAtLeast: 1 })
    expect(orphan.lsn).toBeGreaterThan(0n)
  })

  it('lets a smart stop end, which its session would keep from ending', async () => {
    const prober = probe(node1)
    await prober.answer()
    node1.signalStop('smart')
    // An open session is told nothing: only a fresh connection finds out.
    const seen = await waitFor('the stop to be seen', () => prober.askFresh(), {
      until: (observation) => observation.kind === 'failed',
    })
    expect(seen).toMatchObject({ failure: 'shutting-down' })
    await waitFor('the server to be gone', () => !node1.isRunning)
    expect(await prober.ask()).toMatchObject({ failure: 'refused' })
  })

  // In an immediate stop a process may be gone before its notice has left it: that it says why is tried with a stand-in.
  it.each([
    ['fast', /57P01/],
    ['immediate', /57P01|closed the connection without a word/],
  ] as const)('tells a %s stop from the loss of its session on, and is refused in the end', async (mode, words) => {
    const prober = probe(node1)
    await prober.answer()
    await node1.stop(mode)
    await waitFor('the loss to be told', () => prober.events.some(({ kind }) => kind === 'lost'))
    expect(prober.events.at(-1)).toMatchObject({ kind: 'lost', detail: expect.stringMatching(words) })
    expect(await prober.ask()).toMatchObject({ kind: 'failed', failure: 'refused' })
  })

  it('is refused by a killed server in the very next probe, and answered when it is back', async () => {
    const prober = probe(node1)
    const before = await prober.answer()
    await node1.kill()
    expect(await prober.ask()).toMatchObject({ failure: 'refused' })
    await node1.start()
    const after = await prober.answer()
    expect(after.systemIdentifier).toBe(before.systemIdentifier)
    expect(after.postmasterStartedAt).not.toBe(before.postmasterStartedAt)
  })

  it('times out on a frozen server, connected or not, and is answered again after the thaw', async () => {
    const connected = probe(node1, { timeoutMs: 300 })
    const unconnected = probe(node1, { timeoutMs: 300 })
    await connected.answer()
    await node1.freeze()
    expect(await connected.ask()).toMatchObject({
      failure: 'timeout',
      detail: expect.stringContaining('answer to the query'),
    })
    expect(await connected.ask()).toMatchObject({ failure: 'timeout', detail: expect.stringContaining('log-in') })
    expect(await unconnected.askFresh()).toMatchObject({ failure: 'timeout' })
    node1.thaw()
    await waitFor('an answer', async () => (await connected.ask()).kind === 'answered')
    await connected.close()
    await waitFor('no session to be left over from the freeze', async () => (await monitorSessions(node1)) === 0)
  })

  it('tells a server that recovers, and one that is still starting', async () => {
    await node2.stop()
    node2.configure({ hot_standby: false })
    await node2.start({ waitUntil: 'listening' })
    const prober = probe(node2)
    await waitFor('recovery to be seen', () => prober.ask(), {
      until: (seen) => seen.kind === 'failed' && seen.failure === 'recovering',
    })
    await node2.stop('immediate')
    // Recovery begins by asking for history files, and this archive never answers.
    node2.configure({ hot_standby: true, restore_command: 'while true; do sleep 0.05; done' })
    await node2.start({ waitUntil: 'listening' })
    await waitFor('the start to be seen', () => prober.ask(), {
      until: (seen) => seen.kind === 'failed' && seen.failure === 'starting-up',
    })
  })

  it('goes on over its old session when there is no room for another', async () => {
    const prober = probe(node1)
    const late = probe(node1)
    await prober.answer()
    const fill = async (left: number): Promise<void> =>
      withClient(node1, {}, async () => {
        if (left > 0) return fill(left - 1)
        expect(await late.ask()).toMatchObject({ failure: 'too-many-connections' })
        expect(await prober.askFresh()).toMatchObject({ kind: 'answered', answer: { inRecovery: false } })
        expect(await prober.answer()).toMatchObject({ inRecovery: false })
      })
    // As superuser, so that not even the reserved places are left.
    const taken =
      Number(await node1.value(`SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'`)) - 1
    await fill(20 - taken - 1)
    expect(await late.ask()).toMatchObject({ kind: 'answered' })
  })
})
