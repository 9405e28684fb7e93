/**
 * P8, worker processes: what is promised of one process holds for several. A worker that is frozen, or gone, costs its own
 * sessions and nothing else, and lets nobody write to two nodes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { firstPacket } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { isAlive, signalProcess } from '../support/process-tree.ts'
import type { LogRecord } from '../support/proxy-process.ts'
import { SESSION_ENDED } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { ProxyScene, tellOnFailure, trustApplication } from './scene.ts'

const CANCEL_CODE = 80_877_102
const LOGIN = { user: 'postgres', database: 'einvoice' }

interface ShownWorker {
  readonly worker: number
  readonly pid: number
  readonly sessions: number
}

let cluster: PostgresCluster
let scene: ProxyScene
const clients: RawClient[] = []

beforeAll(async () => {
  cluster = await createCluster({ nodes: 2, repmgrTables: true, application: true })
  trustApplication(cluster.nodes)
  scene = await ProxyScene.inFrontOf(cluster, { workers: 2, shutdown: { grace: '0s' } })
})

beforeEach(() => tellOnFailure(() => scene))

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  if (scene.proxy.isRunning) await scene.waitForStatus('nobody', ({ sessions }) => sessions.active === 0)
})

afterAll(async () => {
  await scene?.close()
  await cluster?.destroy()
})

async function workers(): Promise<readonly ShownWorker[]> {
  return (await scene.proxy.status())['workers'] as readonly ShownWorker[]
}

async function logIn(count: number): Promise<RawClient[]> {
  const fresh: RawClient[] = []
  // One after the other, so that they take turns.
  for (let index = 0; index < count; index += 1) {
    const client = await RawClient.login(scene.target)
    fresh.push(client)
    clients.push(client)
  }
  return fresh
}

/** The worker of each session, in the order in which they came. */
async function workersOfSessions(): Promise<readonly (number | undefined)[]> {
  const list = (await (await scene.proxy.get('/api/sessions')).json()) as {
    readonly sessions: readonly { readonly id: number; readonly worker?: number }[]
  }
  return [...list.sessions].sort((a, b) => a.id - b.id).map(({ worker }) => worker)
}

/** Its clients, of those that came one after the other. */
async function clientsOf(worker: number, of: readonly RawClient[]): Promise<readonly RawClient[]> {
  const places = await workersOfSessions()
  return of.filter((_, index) => places[index] === worker)
}

async function pidOf(worker: number): Promise<number> {
  return (await workers()).find((each) => each.worker === worker)?.pid ?? 0
}

async function metric(name: string): Promise<number> {
  const page = await (await scene.proxy.get('/metrics')).text()
  const lines = page.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

async function setLimits(limits: Readonly<Record<string, unknown>>): Promise<void> {
  const since = scene.proxy.log.length
  const document = parse(readFileSync(scene.config.file, 'utf8')) as Record<string, unknown>
  writeFileSync(scene.config.file, stringify({ ...document, limits }))
  scene.proxy.signal('SIGHUP')
  await scene.proxy.waitForLog('the reload', ({ msg }) => String(msg).startsWith('configuration reloaded'), { since })
}

async function refusal(): Promise<string | undefined> {
  const client = await RawClient.connect(scene.target)
  clients.push(client)
  client.send(startupMessage(LOGIN))
  await client.waitForEnd()
  return client.errors[0]?.['M']
}

function indexOf(message: string, since: number): number {
  return scene.proxy.log.findIndex(({ msg }, index) => index >= since && msg === message)
}

describe('two workers', () => {
  it('share the sessions, and all figures are sums', async () => {
    const before = {
      accepted: await metric('pgha_sessions_accepted_total'),
      bytes: await metric('pgha_client_bytes_total'),
    }
    const four = await logIn(4)
    for (const client of four) expect(await client.ask("SELECT repeat('x', 10000)")).toHaveLength(10_000)
    expect((await workersOfSessions()).toSorted()).toEqual([1, 1, 2, 2])
    const status = await scene.status()
    expect(status.sessions).toMatchObject({ active: 4, held: 0, accepted: before.accepted + 4 })
    expect(status.nodes.find(({ name }) => name === 'node1')?.sessions).toBe(4)
    expect((await workers()).map(({ worker, sessions }) => [worker, sessions])).toEqual([
      [1, 2],
      [2, 2],
    ])
    expect(await metric('pgha_sessions')).toBe(4)
    expect(await metric('pgha_worker_sessions')).toBe(4)
    expect((await metric('pgha_client_bytes_total')) - before.bytes).toBeGreaterThan(40_000)
  })

  it('cancel for each other, and nobody else', async () => {
    const [session, bystander] = await logIn(2)
    if (session === undefined || bystander === undefined) throw new Error('two sessions')
    const sleepers =
      "SELECT count(*) = 2 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
    for (const each of [session, bystander]) each.query('SELECT pg_sleep(60)')
    await cluster.node('node1').waitFor(sleepers)
    const cancel = async (key: Buffer): Promise<void> => {
      // Two in a row come to both workers: each session is cancelled at by the other one's worker as well.
      const canceller = await RawClient.connect(scene.target)
      clients.push(canceller)
      canceller.send(firstPacket(CANCEL_CODE, key))
      await canceller.waitForEnd()
    }
    const key = session.messages.find(({ type }) => type === 'K')?.payload ?? Buffer.alloc(0)
    await cancel(key)
    await session.waitForMessage('E')
    expect(session.errors).toEqual([expect.objectContaining({ C: '57014' })])
    session.query("SELECT 'still here'")
    await session.waitForNth('Z', 3)
    session.query('SELECT pg_sleep(60)')
    await cluster.node('node1').waitFor(sleepers)
    await cancel(key)
    await session.waitForNth('E', 2)
    expect([session.errors.length, bystander.errors]).toEqual([2, []])
    await cluster
      .node('node1')
      .query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
  })

  it('have the limits of one process between them, also after a reload', async () => {
    await setLimits({ max_sessions: 3 })
    await logIn(3)
    expect(await refusal()).toBe('sorry, too many clients already')
    await setLimits({ max_sessions_per_address: 4 })
    await logIn(1)
    expect(await refusal()).toBe('too many connections from this address')
    clients[0]?.destroy()
    await scene.waitForStatus('a place', ({ sessions }) => sessions.active === 3)
    await logIn(1)
    await setLimits({})
  })

  it('of which one is killed lose its sessions alone: they are counted, and it is replaced', async () => {
    const four = await logIn(4)
    const [lost, kept] = [await clientsOf(1, four), await clientsOf(2, four)]
    const [pid, since] = [await pidOf(1), scene.proxy.log.length]
    signalProcess(pid, 'SIGKILL')
    const isLoss = ({ msg }: LogRecord): boolean => msg === 'a worker is lost, and its sessions with it'
    const loss = await scene.proxy.waitForLog('the loss', isLoss, { since })
    expect(loss).toMatchObject({ worker: 1, workerPid: pid, signal: 'SIGKILL', sessionsLost: 2, level: 'error' })
    for (const client of lost) await client.waitForEnd()
    for (const client of kept) expect(await client.ask("SELECT 'still here'")).toBe('still here')
    expect(await scene.endedCount('worker-lost')).toBe(2)
    expect(await metric('pgha_workers_lost_total')).toBe(1)
    await scene.proxy.waitForLog('the next one', ({ msg, worker }) => msg === 'worker started' && worker === 1, {
      since,
    })
    await logIn(2)
    expect((await workersOfSessions()).toSorted()).toEqual([1, 1, 2, 2])
  })

  it('take an order to drain, and it is taken back', async () => {
    const [running] = await logIn(1)
    expect((await scene.proxy.post('/api/drain', { drain: true })).status).toBe(200)
    await expect(RawClient.connect(scene.target)).rejects.toThrow('ECONNREFUSED')
    expect(await running?.ask("SELECT 'still here'")).toBe('still here')
    expect((await scene.proxy.post('/api/drain', { drain: false })).status).toBe(200)
    await logIn(1)
  })
})

describe('an upgrade with two workers', () => {
  it('leaves the old process and its workers to their sessions, which it fences', async () => {
    const [session] = await logIn(1)
    const pids = (await workers()).map(({ pid }) => pid)
    const before = await scene.proxy.upgrade()
    expect(await session?.ask("SELECT 'still here'")).toBe('still here')
    expect((await workers()).map(({ pid }) => pid).filter((pid) => pids.includes(pid))).toEqual([])
    expect((await scene.proxy.post('/api/fence', { node: 'node1' })).status).toBe(200)
    await session?.waitForEnd()
    expect(session?.errors).toEqual([expect.objectContaining({ C: '57P01', M: SESSION_ENDED })])
    await waitFor('the old processes to end', () => ![before, ...pids].some(isAlive))
    expect((await scene.proxy.post('/api/unfence', { node: 'node1' })).status).toBe(200)
    await scene.waitUntilServing('node1')
  })
})

describe('a failover with a frozen worker', () => {
  it('admits nobody to the new primary before that worker and its sessions are gone', async () => {
    const four = await logIn(4)
    const [frozen, awake] = [await clientsOf(1, four), await clientsOf(2, four)]
    const [pid, since] = [await pidOf(1), scene.proxy.log.length]
    signalProcess(pid, 'SIGSTOP')
    await cluster.node('node1').kill()
    await cluster.node('node2').promote()
    const waiting = await RawClient.connect(scene.target)
    clients.push(waiting)
    waiting.send(startupMessage(LOGIN))
    await scene.proxy.waitForLog('the first', ({ msg }) => msg === 'first session routed to the new primary', { since })
    const order = [
      'a worker has not confirmed that it has fenced: it is killed',
      'a worker is lost, and its sessions with it',
      'first session routed to the new primary',
    ].map((message) => indexOf(message, since))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(Math.min(...order)).toBeGreaterThanOrEqual(since)
    for (const client of [...frozen, ...awake]) await client.waitForEnd()
    expect(scene.proxy.log[order[1] ?? 0]).toMatchObject({ worker: 1, signal: 'SIGKILL' })
    expect(isAlive(pid)).toBe(false)
    expect(await (await logIn(1))[0]?.ask('SELECT pg_is_in_recovery()::text')).toBe('false')
    await scene.waitUntilServing('node2')
  })
})

describe('the end of the main process', () => {
  it('by a stop is that of the workers: sessions are told, nobody is left', async () => {
    await waitFor('the one that was killed to be replaced', workers, { until: ({ length }) => length === 2 })
    const two = await logIn(2)
    const pids = (await workers()).map(({ pid }) => pid)
    expect(await scene.proxy.stop()).toEqual({ code: 0, signal: null })
    for (const client of two) {
      await client.waitForEnd()
      expect(client.errors).toEqual([expect.objectContaining({ C: '57P01', M: SESSION_ENDED })])
    }
    expect(pids.map(isAlive)).toEqual([false, false])
  })

  it('is seen in its silence: sessions that nobody fences end, and new workers come when it goes on', async () => {
    scene.startProxyAgain()
    await scene.waitUntilServing('node2')
    const two = await logIn(2)
    const pids = (await workers()).map(({ pid }) => pid)
    scene.proxy.signal('SIGSTOP')
    try {
      await waitFor('all sessions to end', () => two.every(({ hasEnded }) => hasEnded), { timeoutMs: 30_000 })
      for (const client of two) {
        expect(client.errors).toEqual([expect.objectContaining({ C: '57P01', M: SESSION_ENDED })])
      }
      await waitFor('the workers to end', () => !pids.some(isAlive))
    } finally {
      scene.proxy.signal('SIGCONT')
    }
    await waitFor('others to be there', workers, { until: ({ length }) => length === 2 })
    expect((await workers()).some(({ pid }) => pids.includes(pid))).toBe(false)
    expect(await (await logIn(1))[0]?.ask('SELECT pg_is_in_recovery()::text')).toBe('false')
  })

  it('by a crash is that of the workers as well: nobody would fence their sessions', async () => {
    const two = await logIn(2)
    const pids = (await workers()).map(({ pid }) => pid)
    scene.proxy.signal('SIGKILL')
    await waitFor('it to be gone', () => !scene.proxy.isRunning)
    for (const client of two) {
      await client.waitForEnd()
      expect(client.errors).toEqual([expect.objectContaining({ C: '57P01', M: SESSION_ENDED })])
    }
    await waitFor('the workers to end', () => !pids.some(isAlive))
  })
})
