/**
 * P7, file descriptors run out: new connections are closed, running sessions and the proxy's own work go on, it is said
 * once, and it ends by itself. In a process that may open few files.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest'
import { descriptorBudget } from '../../src/session/descriptor-budget.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { type LogRecord, ProxyProcess } from '../support/proxy-process.ts'
import { StreamingNeighbour } from './neighbour.ts'
import { TOO_MANY_CLIENTS } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'

const OPEN_FILES = 160
const { sessionsMax, shutsAt } = descriptorBudget(OPEN_FILES)
const LOGIN = { user: 'postgres', database: 'einvoice' }

const available =
  process.platform !== 'linux'
    ? 'descriptor limits are read on Linux only'
    : spawnSync('prlimit', ['--version']).error === undefined || 'prlimit is missing: install util-linux'

describe.skipIf(leftOut('file descriptors that run out', available))('a proxy with few file descriptors', () => {
  let cluster: PostgresCluster
  let proxy: ProxyProcess
  let folder: string
  let target: { readonly host: string; readonly port: number }
  let neighbour: StreamingNeighbour
  const clients: RawClient[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-descriptors-'))
    cluster = await createCluster({ nodes: 1, repmgrTables: false, application: true })
    const config = await writeProxyConfig(folder, cluster, { limits: { startup_timeout: '60s' } })
    target = { host: '127.0.0.1', port: config.primaryPort }
    proxy = new ProxyProcess(config, { launcher: ['prlimit', `--nofile=${OPEN_FILES}:${OPEN_FILES}`] })
    await proxy.waitUntilReady()
    neighbour = await StreamingNeighbour.start(target)
  })

  beforeEach(() => {
    onTestFailed(() => {
      process.stderr.write(`${proxy.tail(30)}\n`)
    })
  })

  afterAll(async () => {
    expect(neighbour.problems).toEqual([])
    neighbour.stop()
    for (const client of clients) client.destroy()
    await proxy.destroy()
    await cluster.destroy()
    rmSync(folder, { recursive: true, force: true })
  })

  const openFiles = (): number => readdirSync(`/proc/${proxy.pid}/fd`).length
  const endedCount = async (reason: string): Promise<number> => {
    const { ended } = (await proxy.status())['sessions'] as { readonly ended: Readonly<Record<string, number>> }
    return ended[reason] ?? 0
  }
  const activeCount = async (): Promise<number> =>
    ((await proxy.status())['sessions'] as { readonly active: number }).active
  const logged = (start: string): readonly LogRecord[] => proxy.log.filter(({ msg }) => String(msg).startsWith(start))
  const leaveAll = async (): Promise<void> => {
    for (const client of clients.splice(0)) client.destroy()
    await waitFor('the neighbour to be alone', activeCount, { until: (count) => count === 1 })
  }

  it('warns at its start that limits.max_sessions does not fit, and says what to do', () => {
    expect(logged('the limit of open files is too low')).toEqual([
      expect.objectContaining({
        level: 'warn',
        openFiles: OPEN_FILES,
        problem: `limits.max_sessions is 10000, but only ${sessionsMax} sessions fit into ${OPEN_FILES} open files`,
        hint: expect.stringMatching(/LimitNOFILE=20\d\d\d .* ulimit -n 20\d\d\d/),
      }),
    ])
  })

  it('tells a client that it is one too many while there is room to tell it', async () => {
    for (let count = 1; count < sessionsMax; count += 1) clients.push(await RawClient.login(target))
    const late = await RawClient.connect(target)
    late.send(startupMessage(LOGIN))
    await late.waitForEnd()
    expect(late.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '53300', M: TOO_MANY_CLIENTS })])
    late.destroy()
    await waitFor('it to be counted', () => endedCount('too-many-sessions'), { until: (count) => count === 1 })
    expect(openFiles()).toBeLessThan(OPEN_FILES - 20)
    await leaveAll()
    await neighbour.waitForMore(100)
  })

  it('closes new connections at once, once it has to, and goes on with all that it has', async () => {
    const silent = await Promise.all(Array.from({ length: 3 * shutsAt }, () => RawClient.connect(target)))
    clients.push(...silent)
    await waitFor('those too many to be closed', () => silent.filter((client) => client.hasEnded).length, {
      until: (count) => count >= 2 * shutsAt,
    })
    expect(silent.every((client) => client.received.length === 0)).toBe(true)
    await proxy.waitForLog('the word', ({ msg }) => String(msg).startsWith('file descriptors run out'))
    expect(logged('file descriptors run out')).toHaveLength(1)
    expect(openFiles()).toBeLessThan(OPEN_FILES)
    const countedAndEnded = async () => [
      await endedCount('out-of-descriptors'),
      silent.filter((client) => client.hasEnded).length,
    ]
    await waitFor('as many to be counted', countedAndEnded, { until: ([counted, ended]) => counted === ended })

    // The proxy's own work: the admin server has answered, the file is read, the node is asked.
    const since = proxy.log.length
    proxy.signal('SIGHUP')
    await proxy.waitForLog('the reload', ({ msg }) => String(msg).startsWith('configuration reloaded'), { since })
    expect(await proxy.status()).toMatchObject({ state: 'serving', primary: 'node1' })
    expect((await proxy.get('/readyz')).status).toBe(200)
    await neighbour.waitForMore(500)
  })

  it('takes new ones again when there is room, and says how many it has turned away', async () => {
    const turnedAway = await endedCount('out-of-descriptors')
    await leaveAll()
    clients.push(await RawClient.login(target))
    await proxy.waitForLog('the word', ({ msg }) => String(msg).startsWith('file descriptors are free again'))
    expect(logged('file descriptors are free again')).toEqual([expect.objectContaining({ level: 'info', turnedAway })])
    expect(logged('file descriptors run out')).toHaveLength(1)
    await neighbour.waitForMore(100)
  })

  it('outlives a limit that is lowered beneath it: nothing is left at all, and running sessions go on', async () => {
    const limit = (soft: number) =>
      execFileSync('prlimit', ['--pid', String(proxy.pid), `--nofile=${soft}:${OPEN_FILES}`])
    limit(10)
    const client = await RawClient.connect(target)
    clients.push(client)
    try {
      client.send(startupMessage(LOGIN))
      await neighbour.waitForMore(500)
      // It waits in the kernel's queue: nobody could accept it.
      expect([client.received.length, client.hasEnded]).toEqual([0, false])
    } finally {
      limit(OPEN_FILES)
    }
    await client.waitForMessage('Z')
    expect(proxy.isRunning).toBe(true)
    expect(proxy.log.filter(({ level }) => level === 'fatal')).toEqual([])
  })

  it('is told of a new limit by SIGHUP', async () => {
    execFileSync('prlimit', ['--pid', String(proxy.pid), '--nofile=120:160'])
    const since = proxy.log.length
    proxy.signal('SIGHUP')
    const isWarning = ({ msg }: LogRecord) => msg === 'the limit of open files is too low'
    expect(await proxy.waitForLog('the warning', isWarning, { since })).toMatchObject({ openFiles: 120 })
  })
})
