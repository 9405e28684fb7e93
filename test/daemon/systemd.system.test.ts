/** The proxy as systemd runs it: real reports on a real notify socket, real sockets that were handed over. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RawClient, STARTUP } from '../net/session-rig.ts'
import { type FakePostgres, LOGGED_IN, servePrimary, startFakePostgres } from '../probe/fake-postgres.ts'
import { waitFor } from '../support/condition.ts'
import { freePort, freePorts } from '../support/free-port.ts'
import { leftOut } from '../support/left-out.ts'
import { isAlive } from '../support/process-tree.ts'
import { type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess, type ProxyProcessOptions } from '../support/proxy-process.ts'
import {
  NotifySocket,
  type Report,
  socketActivator,
  systemdProgramsAvailable,
  watchedFor,
} from '../support/systemd-stand-in.ts'

/** Each test starts programs, a second's work on an idle machine. */
const SLOW = { timeout: 30_000 }
const REPORTS = systemdProgramsAvailable('python3', 'systemd-notify')
const SOCKETS = systemdProgramsAvailable('python3')

let folder: string
let primary: FakePostgres
let proxy: ProxyProcess | undefined
let notify: NotifySocket | undefined
const sockets: Socket[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-systemd-'))
  primary = await startFakePostgres(servePrimary())
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await proxy?.destroy()
  await notify?.close()
  await primary.close()
  proxy = undefined
  notify = undefined
  rmSync(folder, { recursive: true, force: true })
})

async function configOf(overrides: Readonly<Record<string, unknown>> = {}, port = primary.port): Promise<ProxyConfig> {
  const monitor = { user: 'pgha', password: 'secret', database: 'repmgr' }
  const nodes = [{ name: 'node1', host: '127.0.0.1', port }]
  return await writeProxyConfig(folder, { nodes, monitor }, { monitor: { sslmode: 'disable' }, ...overrides })
}

function start(config: ProxyConfig, options: ProxyProcessOptions = {}): ProxyProcess {
  proxy = new ProxyProcess(config, options)
  return proxy
}

async function startReporting(config: ProxyConfig, options: ProxyProcessOptions = {}, path = join(folder, 'notify')) {
  notify = await NotifySocket.open(path)
  start(config, { ...options, env: { NOTIFY_SOCKET: path } })
  return notify
}

function connectTo(port: number): RawClient {
  const client = new RawClient(port)
  sockets.push(client.socket)
  return client
}

/** What the log has of warnings and worse. */
const loud = () => proxy?.log.filter(({ level }) => ['warn', 'error', 'fatal'].includes(String(level))) ?? []
const isReady = (report: Report): boolean => report['READY'] === '1'
const wordsOf = (reports: readonly Report[]): string[] => reports.flatMap((report) => Object.keys(report))
const statesOf = (reports: readonly Report[]): string[] =>
  wordsOf(reports).filter((word) => ['READY', 'RELOADING', 'STOPPING'].includes(word))

describe.skipIf(leftOut('reports to systemd', REPORTS))('the service manager', SLOW, () => {
  it('is told READY with the decision, RELOADING and READY at SIGHUP also when it fails, STOPPING at the end', async () => {
    const config = await configOf()
    const { reports } = await startReporting(config)
    const serving = await notify?.waitFor('serving', (report) => /^serving: /.test(report['STATUS'] ?? ''))
    expect(serving?.['STATUS']).toBe('serving: node1 is primary on timeline 3')

    proxy?.signal('SIGHUP')
    await proxy?.waitForLog('the reload', (record) => record.msg === 'configuration reloaded: nothing changed')
    await waitFor('READY again', () => statesOf(reports).length === 3)
    const reloading = reports.find((report) => report['RELOADING'] === '1')
    const nowUsec = Number(process.hrtime.bigint() / 1000n)
    expect(nowUsec - Number(reloading?.['MONOTONIC_USEC'])).toSatisfy((age: number) => age > 0 && age < 10_000_000)

    expect(loud()).toEqual([])

    appendFileSync(config.file, 'no_such_key: 1\n')
    proxy?.signal('SIGHUP')
    await proxy?.waitForLog('the fault', (record) => String(record.msg).startsWith('the new configuration is faulty'))
    await waitFor('READY once more', () => statesOf(reports).length === 5)

    expect(await proxy?.stop()).toEqual({ code: 0, signal: null })
    expect(statesOf(reports)).toEqual(['READY', 'RELOADING', 'READY', 'RELOADING', 'READY', 'STOPPING'])
    expect(reports.at(-1)).toMatchObject({ STOPPING: '1', STATUS: expect.stringMatching(/^draining: /) })
    // Grace, last words, and what else a stop may take: the manager waits for it, whatever TimeoutStopSec= says.
    expect(Number(reports.at(-1)?.['EXTEND_TIMEOUT_USEC'])).toBeGreaterThan(30_000_000)
  })

  it('is told READY though no node answers, and why clients wait', async () => {
    const { reports } = await startReporting(await configOf({}, await freePort()))
    await notify?.waitFor('READY', isReady)
    await notify?.waitFor('the reason', (report) => /^no-primary: .*refuses connections/.test(report['STATUS'] ?? ''))
    expect(statesOf(reports)).toEqual(['READY'])
  })

  it('is told which process is the service after an upgrade, and nothing by the one before', async () => {
    const config = await configOf()
    await startReporting(config, { launcher: watchedFor(2_000) })
    await notify?.waitFor('READY', isReady)
    await proxy?.waitUntilReady()
    const first = proxy?.pid
    const client = connectTo(config.primaryPort).send(STARTUP)
    await client.got(LOGGED_IN)

    await proxy?.upgrade()
    const reports = () => notify?.reports ?? []
    const main = await notify?.waitFor('the new process', (report) => 'MAINPID' in report)
    expect(main).toMatchObject({ READY: '1', MAINPID: String(proxy?.pid) })
    expect(proxy?.pid).not.toBe(first)
    await notify?.waitFor('the note', (report) => /; 1 earlier process with 1 session/.test(report['STATUS'] ?? ''))
    const since = reports().length
    await notify?.waitFor('a sign of life of the new one', (report) => 'WATCHDOG' in report, { since })

    client.socket.destroy()
    await proxy?.waitForLog('its end', (record) => record.msg === 'the process before has ended')
    await notify?.waitFor('the end of the note', (report) => report['STATUS']?.endsWith('timeline 3') === true, {
      since,
    })
    expect(statesOf(reports())).toEqual(['READY', 'READY'])
    expect(loud()).toEqual([])
    await proxy?.stop()
    expect(statesOf(reports())).toEqual(['READY', 'READY', 'STOPPING'])
  })

  it('gets a sign of life from READY on, also on an abstract socket', async () => {
    const name = `@pgha-test-${process.pid}`
    const { reports } = await startReporting(await configOf(), { launcher: watchedFor(200) }, name)
    await waitFor('three signs', () => wordsOf(reports).filter((word) => word === 'WATCHDOG').length >= 3)
    const words = wordsOf(reports)
    expect(words.indexOf('READY')).toBeLessThan(words.indexOf('WATCHDOG'))
    await proxy?.stop()
    expect(wordsOf(reports).filter((word) => word === 'STOPPING')).toHaveLength(1)
  })

  it('that is gone costs one warning and no session', async () => {
    const config = await configOf()
    await startReporting(config)
    await notify?.waitFor('READY', isReady)
    await notify?.close()
    proxy?.signal('SIGHUP')
    await proxy?.waitForLog('the failure', (record) =>
      String(record.msg).startsWith('the service manager cannot be told'),
    )
    await connectTo(config.primaryPort).send(STARTUP).got(LOGGED_IN)
    for (const socket of sockets.splice(0)) socket.destroy()
    expect(await proxy?.stop()).toEqual({ code: 0, signal: null })
    expect(loud()).toHaveLength(1)
  })

  it('leaves no helper behind when the proxy is killed', async () => {
    await startReporting(await configOf())
    await notify?.waitFor('READY', isReady)
    const helper = childOf(proxy?.pid)
    expect(isAlive(helper)).toBe(true)
    await proxy?.destroy()
    await waitFor('the helper to end', () => !isAlive(helper))
  })

  it('is nobody for a proxy that systemd did not start: no helper runs', async () => {
    const config = await configOf()
    await start(config).waitUntilReady()
    expect(childOf(proxy?.pid)).toBeNaN()
  })
})

describe.skipIf(leftOut('sockets handed over as by systemd', SOCKETS))('sockets that were handed over', SLOW, () => {
  async function activated(listeners: readonly unknown[]): Promise<ProxyConfig> {
    return await configOf({ listeners })
  }

  it('are taken by their names, several of one name together; files of Unix sockets stay when the proxy goes', async () => {
    const [one = 0, two = 0] = await freePorts(2)
    const path = join(folder, '.s.PGSQL.5432')
    const config = await activated([{ address: 'fd:pg' }, { address: 'fd:local', route: 'any' }])
    const handedOver = [
      { name: 'pg', port: one },
      { name: 'local', path },
      { name: 'pg', port: two },
    ]
    await start(config, { launcher: socketActivator(handedOver) }).waitUntilReady()

    for (const port of [one, two]) await connectTo(port).send(STARTUP).got(LOGGED_IN)
    const local = connect({ path })
    sockets.push(local)
    local.write(STARTUP)
    await waitFor('the login', () => (local.read(LOGGED_IN.length) as Buffer | null)?.equals(LOGGED_IN))
    expect((await proxy?.status())?.['listeners']).toEqual([`fd:pg (127.0.0.1:${one}, 127.0.0.1:${two})`, 'fd:local'])
    expect(loud()).toEqual([])
    for (const socket of sockets.splice(0)) socket.destroy()
    await proxy?.stop()
    expect(existsSync(path)).toBe(true)
  })

  it('survive reloads that take the listener away and bring it back, as do their sessions', async () => {
    const [port = 0, other = 0] = await freePorts(2)
    const config = await activated([{ address: 'fd:pg' }])
    await start(config, { launcher: socketActivator([{ name: 'pg', port }]) }).waitUntilReady()
    const early = connectTo(port).send(STARTUP)
    await early.got(LOGGED_IN)
    const reload = async (address: string): Promise<void> => {
      const since = proxy?.log.length ?? 0
      await activated([{ address }])
      // The file has new ports for the admin address; those wait for a restart.
      proxy?.signal('SIGHUP')
      await proxy?.waitForLog('the reload', (record) => record.msg === 'configuration reloaded', { since })
    }

    await reload(`127.0.0.1:${other}`)
    const late = connectTo(port)
    await waitFor('the disconnection', () => late.isClosed || late.hasEnded)
    await reload('fd:pg')
    await connectTo(port).send(STARTUP).got(LOGGED_IN)
    expect([early.hasEnded, early.error]).toEqual([false, null])
  })

  it('go to the successor at an upgrade, used or not, and so do clients', async () => {
    const [port = 0, unused = 0] = await freePorts(2)
    const path = join(folder, '.s.PGSQL.5432')
    const config = await activated([{ address: 'fd:pg' }, { address: 'fd:local' }])
    const handedOver = [
      { name: 'pg', port },
      { name: 'unused', port: unused },
      { name: 'local', path },
    ]
    await start(config, { launcher: socketActivator(handedOver) }).waitUntilReady()
    const early = connectTo(port).send(STARTUP)
    await early.got(LOGGED_IN)
    for (let count = 0; count < 2; count += 1) {
      await proxy?.upgrade()
      await connectTo(port).send(STARTUP).got(LOGGED_IN)
    }
    const names = proxy?.log.filter(({ msg }) => String(msg).startsWith('sockets were handed over that'))
    expect(names?.map((record) => record['names'])).toEqual([['unused'], ['unused'], ['unused']])
    expect([early.hasEnded, early.error]).toEqual([false, null])
    for (const socket of sockets.splice(0)) socket.destroy()
    await proxy?.stop()
    expect(existsSync(path)).toBe(true)
  })

  it('keep clients waiting while the proxy is restarted: none is refused', async () => {
    const port = await freePort()
    const config = await activated([{ address: 'fd:pg' }])
    start(config, { launcher: socketActivator([{ name: 'pg', port }], { restarts: 1 }) })
    await proxy?.waitUntilReady()
    proxy?.signal('SIGTERM')
    await proxy?.waitForLog('its end', (record) => record.msg === 'stopped')
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)
    expect(client.error).toBeNull()
  })

  it('that are none keep the proxy from starting: it says where, what, and the remedy', async () => {
    const launcher = socketActivator([{ name: 'pg', port: await freePort(), datagram: true }])
    start(await activated([{ address: 'fd:pg' }]), { launcher })
    expect(await proxy?.exited).toEqual({ code: 1, signal: null })
    expect(proxy?.log.find(({ msg }) => msg === 'cannot start')).toMatchObject({
      problem: expect.stringMatching(/^listeners\[0\]\.address: fd:pg: .* no listening stream socket \(listen EINVAL/),
      hint: 'use ListenStream= and Accept=no in the .socket unit',
    })
  })
})

describe.skipIf(leftOut('systemd-socket-activate', systemdProgramsAvailable('systemd-socket-activate')))(
  'systemd-socket-activate',
  SLOW,
  () => {
    it('starts the proxy with the first client, which is served', async () => {
      const port = await freePort()
      const config = await configOf({ listeners: [{ address: 'fd:pg' }] })
      const launcher = ['systemd-socket-activate', '-l', `127.0.0.1:${port}`, '--fdname=pg', '-E', 'NO_COLOR']
      start(config, { launcher })
      await waitFor('it to listen', () => proxy?.otherOutput.includes('Listening on'))
      const client = connectTo(port).send(STARTUP)
      await client.got(LOGGED_IN)
      expect(client.error).toBeNull()
    })
  },
)

/** The only child of a process; NaN when it has none. */
function childOf(pid: number | undefined): number {
  const { stdout } = spawnSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' })
  return Number(stdout.trim() || Number.NaN)
}
