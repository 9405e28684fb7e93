/**
 * P8, an upgrade: SIGUSR2 has a new process take over, and no client notices. The old one probes and fences until its
 * last session has ended. What cannot take over changes nothing.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { firstPacket } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { freePort } from '../support/free-port.ts'
import { leftOut } from '../support/left-out.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { isAlive, signalProcess, waitUntilGone } from '../support/process-tree.ts'
import type { LogRecord } from '../support/proxy-process.ts'
import { endOf, programsAvailable, runProgram, startProgram } from './programs.ts'
import { SESSION_ENDED } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { ProxyScene, tellOnFailure, trustApplication } from './scene.ts'

const CANCEL_CODE = 80_877_102

/** Serves all tests; the last one promotes its node2. */
let cluster: PostgresCluster
let scene: ProxyScene
const clients: RawClient[] = []
const pids: number[] = []

beforeAll(async () => {
  cluster = await createCluster({ nodes: 2, repmgrTables: true, application: true })
  trustApplication(cluster.nodes)
  return async () => await cluster.destroy()
})

beforeEach(async () => {
  scene = await ProxyScene.inFrontOf(cluster)
  tellOnFailure(() => scene)
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await scene.close()
  await waitUntilGone(pids.splice(0))
})

/** As `ProxyProcess.upgrade`; the process before is gone at the end of the test. */
async function upgrade(): Promise<number> {
  const before = await scene.proxy.upgrade()
  pids.push(before, scene.proxy.pid ?? 0)
  return before
}

async function login(): Promise<RawClient> {
  const client = await RawClient.login(scene.target)
  clients.push(client)
  return client
}

/** Asks, and waits for the answer. */
async function ask(client: RawClient, sql: string): Promise<void> {
  const answered = client.messages.filter(({ type }) => type === 'Z').length
  client.query(sql)
  await client.waitForNth('Z', answered + 1)
}

function rewrite(change: (document: Record<string, unknown>) => void): void {
  const document = parse(readFileSync(scene.config.file, 'utf8')) as Record<string, unknown>
  change(document)
  writeFileSync(scene.config.file, stringify(document))
}

async function reload(): Promise<void> {
  const since = scene.proxy.log.length
  scene.proxy.signal('SIGHUP')
  await scene.proxy.waitForLog('the reload', ({ msg }) => msg === 'configuration reloaded', { since })
}

/** SIGUSR2, and what it says when that comes to nothing. */
async function failToUpgrade(): Promise<LogRecord> {
  const since = scene.proxy.log.length
  scene.proxy.signal('SIGUSR2')
  const isFailure = ({ msg }: LogRecord): boolean => msg === 'the upgrade failed: this process goes on'
  return await scene.proxy.waitForLog('the failure', isFailure, { since, timeoutMs: 20_000 })
}

async function waitUntilEnded(pid: number): Promise<void> {
  await waitFor(`process ${pid} to end`, () => !isAlive(pid), { intervalMs: 10 })
}

describe.skipIf(leftOut('pgbench', programsAvailable('pgbench')))('three upgrades in a row under load', () => {
  it('cost no connection and no session, on TCP and on a Unix socket', async () => {
    const path = join(scene.folder, '.s.PGSQL.5432')
    rewrite((document) => {
      document['listeners'] = [...(document['listeners'] as unknown[]), { address: `unix:${path}` }]
    })
    await reload()
    const local = { host: scene.folder, port: 5432 }
    const made = await runProgram('pgbench', ['-i', '-q', '-s', '1'], { target: scene.target })
    expect(made.code, made.stderr).toBe(0)
    const args = ['-n', '-T', '8', '-c', '4']
    const benches = [
      startProgram('pgbench', [...args, '-R', '200'], { target: scene.target }),
      startProgram('pgbench', [...args, '-S', '-C'], { target: scene.target }),
      startProgram('pgbench', [...args, '-S', '-C'], { target: local }),
    ]
    const ends = Promise.all(benches.map(endOf))
    await scene.waitForStatus('load', ({ sessions }) => sessions.active >= 4)
    for (let count = 1; count <= 3; count += 1) await upgrade()
    const [lasting, ...fresh] = await ends
    for (const end of [lasting, ...fresh]) {
      expect(end?.code, end?.stderr).toBe(0)
      expect(end?.stdout).toContain('number of failed transactions: 0 (0.000%)')
    }
    const done = Number(/actually processed: (\d+)/.exec(lasting?.stdout ?? '')?.[1])
    const sql = 'SELECT count(*)::int FROM pgbench_history'
    expect(await cluster.node('node1').value(sql, { database: 'einvoice' })).toBe(done)

    await Promise.all(pids.slice(0, -1).map(async (pid) => pid === scene.proxy.pid || (await waitUntilEnded(pid))))
    expect(existsSync(path)).toBe(true)
    expect((await runProgram('psql', ['-XAtc', 'SELECT 1'], { target: local })).stdout).toBe('1\n')
    const loud = scene.proxy.log.filter(({ level }) => level === 'warn' || level === 'error')
    expect(loud).toEqual([])
    expect(await scene.proxy.stop()).toEqual({ code: 0, signal: null })
    expect(existsSync(path)).toBe(false)
  })
})

describe('after an upgrade', () => {
  it('the old process shows in the status, can be cancelled at, obeys fences, and ends with its last session', async () => {
    const client = await login()
    const before = await upgrade()
    const seen = await waitFor('the predecessor', async () => (await scene.proxy.status())['predecessors'], {
      until: (list) => (list as readonly unknown[]).length === 1,
    })
    expect(seen).toEqual([{ pid: before, version: expect.any(String), startedAt: expect.any(String), sessions: 1 }])
    expect(await (await scene.proxy.get('/metrics')).text()).toContain('\npgha_predecessor_sessions 1\n')

    client.query('SELECT pg_sleep(60)')
    await cluster.node('node1').waitFor("SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
    const key = client.messages.find(({ type }) => type === 'K')?.payload ?? Buffer.alloc(0)
    const canceller = await RawClient.connect(scene.target)
    clients.push(canceller)
    canceller.send(firstPacket(CANCEL_CODE, key))
    await client.waitForMessage('E')
    expect(client.errors).toEqual([expect.objectContaining({ C: '57014' })])

    expect((await scene.proxy.post('/api/fence', { node: 'node1' })).status).toBe(200)
    await client.waitForEnd()
    expect(client.errors.at(-1)).toMatchObject({ C: '57P01', M: SESSION_ENDED })
    await waitUntilEnded(before)
    await waitFor('no predecessor', async () => (await scene.proxy.status())['predecessors'], {
      until: (list) => (list as readonly unknown[]).length === 0,
    })
    expect((await scene.proxy.post('/api/unfence', { node: 'node1' })).status).toBe(200)
  })

  it('a session that was held is admitted by the process that holds it', async () => {
    const node1 = cluster.node('node1')
    await node1.stop('immediate')
    await scene.waitForStatus('the loss', ({ primary }) => primary === null)
    const held = await RawClient.connect(scene.target)
    clients.push(held)
    held.send(startupMessage({ user: 'postgres', database: 'einvoice' }))
    await scene.waitUntilHeld(1)
    const before = await upgrade()
    await node1.start()
    await held.waitForMessage('Z')
    expect(isAlive(before)).toBe(true)
    held.destroy()
    await waitUntilEnded(before)
  })

  it('a stop ends the old process as well, within the same grace', async () => {
    rewrite((document) => {
      document['shutdown'] = { grace: '300ms' }
    })
    await reload()
    const early = await login()
    await upgrade()
    const late = await login()
    expect(await scene.proxy.stop()).toEqual({ code: 0, signal: null })
    for (const client of [early, late]) {
      await client.waitForEnd()
      expect(client.errors).toEqual([expect.objectContaining({ C: '57P01', M: SESSION_ENDED })])
    }
  })

  it('holds what a reload cannot change, with the epoch in another folder; a second SIGTERM ends all at once', async () => {
    const port = await freePort()
    const folder = join(scene.folder, 'elsewhere')
    rewrite((document) => {
      document['admin'] = { address: `127.0.0.1:${port}` }
      document['state_dir'] = folder
      document['shutdown'] = { grace: '1h' }
    })
    const early = await login()
    await upgrade()
    const late = await login()
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200)
    await expect(scene.proxy.get('/readyz')).rejects.toThrow('fetch failed')
    const epochIn = (place: string) => JSON.parse(readFileSync(join(place, 'state.json'), 'utf8')).epoch
    expect(epochIn(folder)).toEqual(epochIn(scene.config.stateDirectory))
    expect(epochIn(folder)).toMatchObject({ node: 'node1' })

    const since = scene.proxy.log.length
    scene.proxy.signal('SIGTERM')
    await waitFor(
      'both to drain',
      () => scene.proxy.log.slice(since).filter(({ msg }) => msg === 'draining').length === 2,
    )
    expect([early.hasEnded, late.hasEnded]).toEqual([false, false])
    scene.proxy.signal('SIGTERM')
    await Promise.all([early.waitForEnd(), late.waitForEnd()])
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })

  it('sessions have as long as the new configuration gives them', async () => {
    const client = await login()
    rewrite((document) => {
      document['shutdown'] = { handover_grace: '200ms' }
    })
    const before = await upgrade()
    await client.waitForEnd()
    expect(client.errors).toEqual([expect.objectContaining({ C: '57P01', M: SESSION_ENDED })])
    await waitUntilEnded(before)
  })

  it('the death of the new process leaves the old one and its sessions alone', async () => {
    const client = await login()
    const before = await upgrade()
    signalProcess(scene.proxy.pid ?? 0, 'SIGKILL')
    await scene.proxy.waitForLog('the death', ({ msg }) => String(msg).startsWith('the successor has ended'))
    await ask(client, 'SELECT 1')
    expect(client.errors).toEqual([])
    client.destroy()
    await waitUntilEnded(before)
    await scene.proxy.exited
    scene.startProxyAgain()
    await scene.waitUntilServing('node1')
  })
})

describe('an upgrade that fails', () => {
  it('by a faulty configuration is told with all faults, and changes nothing', async () => {
    const client = await login()
    rewrite((document) => {
      document['hold'] = { timeout: 'soon' }
    })
    const { pid } = scene.proxy
    const { problem, words, level } = await failToUpgrade()
    expect([level, problem]).toEqual(['error', 'it ended with exit code 2'])
    expect((words as readonly string[]).join('\n')).toMatch(/hold\.timeout/)
    expect(scene.proxy.pid).toBe(pid)
    await ask(client, 'SELECT 1')
    await login()
  })

  it('by a listener that cannot be opened is told with the remedy, and nobody was accepted', async () => {
    const other = `127.0.0.1:${await freePort()}`
    rewrite((document) => {
      document['listeners'] = [...(document['listeners'] as unknown[]), { address: other }, { address: '192.0.2.1:1' }]
    })
    const { problem, words } = await failToUpgrade()
    expect([problem, words]).toEqual([
      'it ended with exit code 1',
      expect.arrayContaining([expect.stringMatching(/cannot listen on 192\.0\.2\.1:1/)]),
    ])
    await login()
  })

  it('by not being ready in time, or by an order to drain, is given up; a second one meanwhile is ignored', async () => {
    const original = readFileSync(scene.config.file, 'utf8')
    rewrite((document) => {
      document['shutdown'] = { handover_timeout: '3s' }
    })
    await reload()
    const port = await freePort()
    rewrite((document) => {
      document['nodes'] = [{ name: 'node1', address: `127.0.0.1:${port}` }]
    })
    const client = await login()
    const failing = failToUpgrade()
    await scene.proxy.waitForLog('the start', ({ msg }) => msg === 'upgrade: a successor was started')
    scene.proxy.signal('SIGUSR2')
    const isRefusal = ({ msg }: LogRecord): boolean => msg === 'no upgrade'
    expect(await scene.proxy.waitForLog('the refusal', isRefusal)).toMatchObject({
      problem: 'a successor is being started already',
    })
    const { problem, successor } = await failing
    await waitUntilGone([Number(successor)])
    expect(problem).toMatch(/^it was not ready within 3 s: it (?:finds no primary|has not asked every node yet)$/)
    await ask(client, 'SELECT 1')

    const drained = failToUpgrade()
    const since = scene.proxy.log.length
    await scene.proxy.waitForLog('the start', ({ msg }) => msg === 'upgrade: a successor was started', { since })
    expect((await scene.proxy.post('/api/drain', { drain: true })).status).toBe(200)
    expect((await drained)['problem']).toBe('the proxy is draining')
    expect((await scene.proxy.post('/api/drain', { drain: false })).status).toBe(200)

    writeFileSync(scene.config.file, original)
    await upgrade()
    await ask(client, 'SELECT 1')
  })
})

describe('a failover while the old process drains', () => {
  it('ends its sessions as ever, and the new process routes to the new primary; the epoch is written once', async () => {
    const client = await login()
    const before = await upgrade()
    const since = scene.proxy.log.length
    await cluster.node('node2').promote()
    await cluster.recordPromotion(cluster.node('node2'))
    await client.waitForEnd()
    expect(client.errors).toEqual([
      expect.objectContaining({ C: '57P01', D: 'pgha-proxy: node1 is no longer primary (now node2)' }),
    ])
    const late = await login()
    await ask(late, 'CREATE TABLE after_upgrade ()')
    expect(late.errors).toEqual([])
    await waitUntilEnded(before)
    const file = join(scene.config.stateDirectory, 'state.json')
    expect(JSON.parse(readFileSync(file, 'utf8')).epoch).toMatchObject({ node: 'node2', timelineId: 2 })
    const saved = scene.proxy.log.slice(since).filter(({ msg }) => msg === 'primary accepted')
    expect(saved.map((record) => record['draining'])).toEqual([undefined])
    const journal = (await (await scene.proxy.get('/api/failovers')).json()) as { failovers: Record<string, unknown>[] }
    expect(journal.failovers.map(({ kind, to }) => [kind, (to as { node: string }).node])).toEqual([
      ['failover', 'node2'],
      ['first-acceptance', 'node1'],
    ])
  })
})
