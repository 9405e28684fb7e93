import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Config } from '../../src/config/config.ts'
import { Daemon } from '../../src/daemon/daemon.ts'
import { StartError } from '../../src/daemon/start-error.ts'
import { StateFile } from '../../src/daemon/state-file.ts'
import { RawClient, STARTUP } from '../net/session-rig.ts'
import { type FakePostgres, LOGGED_IN, servePrimary, startFakePostgres } from '../probe/fake-postgres.ts'
import { realClock } from '../probe/real-clock.ts'
import { waitFor } from '../support/condition.ts'
import { mustLoad } from '../support/config-text.ts'
import { freePort } from '../support/free-port.ts'
import { createMemoryLog } from '../support/memory-log.ts'

const NEVER = new Promise<void>(() => undefined)
const NOW = Promise.resolve()

let folder: string
let primary: FakePostgres
const daemons: Daemon[] = []
const sockets: Socket[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-daemon-'))
  primary = await startFakePostgres(servePrimary())
})

afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.stop(NOW)
  for (const socket of sockets.splice(0)) socket.destroy()
  await primary.close()
  rmSync(folder, { recursive: true, force: true })
})

async function configOf(options: { name?: string; port?: number; stateDir?: string; more?: string } = {}) {
  const port = options.port ?? (await freePort())
  const config = mustLoad(
    [
      `listeners: [{ address: "127.0.0.1:${port}" }]`,
      `nodes: [{ name: ${options.name ?? 'node1'}, address: "127.0.0.1:${primary.port}" }]`,
      'monitor: { user: pgha, password: secret, sslmode: disable }',
      'admin: { address: "127.0.0.1:0" }',
      `state_dir: ${options.stateDir ?? folder}`,
      options.more ?? '',
    ].join('\n'),
  )
  return { config, port }
}

function daemonOf(config: Config) {
  const log = createMemoryLog()
  const daemon = new Daemon({
    config,
    adminToken: null,
    environment: {},
    clock: realClock,
    logger: log.logger,
    version: '1.2.3',
  })
  return { daemon, log }
}

async function startDaemon(options: Parameters<typeof configOf>[0] = {}) {
  const { config, port } = await configOf(options)
  const { daemon, log } = daemonOf(config)
  await daemon.start()
  daemons.push(daemon)
  return { daemon, log, config, port }
}

function connectTo(port: number): RawClient {
  const client = new RawClient(port)
  sockets.push(client.socket)
  return client
}

describe('Daemon', () => {
  it('holds who comes at once, accepts the lone primary, remembers it, and routes', async () => {
    const { daemon, port } = await startDaemon()
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)

    expect(daemon.status()).toMatchObject({
      state: 'serving',
      primary: 'node1',
      timelineId: 3,
      nodes: [{ name: 'node1', role: 'primary', inRecovery: false, timelineId: 3, lsn: '0/5000060', sessions: 1 }],
      sessions: { active: 1, held: 0, accepted: 1 },
      version: '1.2.3',
      draining: false,
    })
    expect(await new StateFile(folder).load()).toMatchObject({
      kind: 'loaded',
      state: { epoch: { node: 'node1', timelineId: 3 } },
    })
  })

  it('cannot start when a listener is taken: it says which, and leaves nothing open', async () => {
    const { port } = await startDaemon()
    const { config } = await configOf({ port, stateDir: join(folder, 'other') })
    const error: unknown = await daemonOf(config)
      .daemon.start()
      .catch((reason: unknown) => reason)

    expect(error).toBeInstanceOf(StartError)
    expect((error as StartError).message).toContain(`127.0.0.1:${port}`)
    expect((error as StartError).hint).toContain('another program')
  })

  it('cannot start when what it accepts could not be kept', async () => {
    writeFileSync(join(folder, 'file'), '')
    const { config } = await configOf({ stateDir: join(folder, 'file') })

    await expect(daemonOf(config).daemon.start()).rejects.toThrow(/cannot be written/)
  })

  it('starts cold with a state file that cannot be read, and says so', async () => {
    writeFileSync(join(folder, 'state.json'), 'garbage')
    const { log } = await startDaemon()

    expect(log.news().filter((line) => line.startsWith('warn'))).toEqual([
      'warn the state file is unreadable: starting cold, without the memory of the last accepted primary',
    ])
  })

  it('drains: takes nobody new, lets running sessions finish, then stops', async () => {
    const { daemon, port } = await startDaemon()
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)
    let isStopped = false
    const stopping = daemon.stop(NEVER).then(() => {
      isStopped = true
    })
    await waitFor('the listener to be closed', () => daemon.listenAddresses.length === 0)
    expect([isStopped, daemon.status().draining]).toEqual([false, true])
    const late = connectTo(port)
    await waitFor('the refusal', () => late.error)
    expect(late.error).toBe('ECONNREFUSED')

    client.socket.destroy()
    await stopping
    expect(primary.openCount()).toBe(0)
  })

  it('ends running sessions in the words of a server when somebody is in a hurry', async () => {
    const { daemon, port } = await startDaemon()
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)
    let hurry: () => void = () => undefined
    const stopping = daemon.stop(new Promise((resolve) => (hurry = resolve)))
    hurry()
    await stopping
    await waitFor('the end', () => client.hasEnded || client.isClosed)

    expect(daemon.status().sessions.active).toBe(0)
  })

  it('stops though a client that was told to go does not read and does not go', async () => {
    const { daemon, port } = await startDaemon({ more: 'shutdown: { grace: 0s }' })
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)
    client.socket.pause()
    await daemon.stop(NEVER)

    expect(daemon.status().sessions.active).toBe(0)
  })

  it('stays stopped when a reload comes while it stops', async () => {
    const { daemon, config, port, log } = await startDaemon()
    const stopped = daemon.stop(NEVER)
    await daemon.reload(config)
    await stopped
    await daemon.reload(config)
    expect(daemon.listenAddresses).toEqual([])
    expect(log.lines.map((line) => line['msg'])).toContain('not reloaded: the proxy is stopping')
    const { daemon: next } = daemonOf(config)
    daemons.push(next)
    await next.start()
    expect(next.listenAddresses).toEqual([`127.0.0.1:${port}`])
  })

  it('opens nothing anew when it is stopped in the middle of a reload', async () => {
    const { daemon, config } = await startDaemon()
    const other = await configOf()
    const reloaded = daemon.reload({ ...config, listeners: [...config.listeners, ...other.config.listeners] })
    await daemon.stop(NOW)
    await reloaded
    expect(daemon.listenAddresses).toEqual([])
  })

  it('reloads a new name of the primary: nobody is lost who comes meanwhile, and nothing breaks', async () => {
    const { daemon, port } = await startDaemon()
    await connectTo(port).send(STARTUP).got(LOGGED_IN)
    const { config } = await configOf({ port, name: 'pg1' })
    await daemon.reload(config)
    const client = connectTo(port).send(STARTUP)
    await waitFor('the session', () => daemon.status().sessions.accepted === 2)

    expect(daemon.status().nodes.map(({ name }) => name)).toEqual(['pg1'])
    await waitFor('a verdict on the new name', () => daemon.status().nodes[0]?.lastSeenMs !== null)
    expect(client.error).toBe(null)
  })

  it('keeps its old listeners when a new one cannot be opened', async () => {
    const { daemon, port } = await startDaemon()
    const taken = connectTo(port)
    await waitFor('the connection', () => daemon.status().sessions.accepted === 1)
    const other = await startFakePostgres(servePrimary())
    const { config } = await configOf({ port: other.port })
    const reloaded = daemon.reload(config)

    await expect(reloaded).rejects.toThrow(StartError)
    await other.close()
    expect(daemon.listenAddresses).toEqual([`127.0.0.1:${port}`])
    expect(taken.isClosed).toBe(false)
  })

  it('moves its listener, and keeps the sessions that came through the old one', async () => {
    const { daemon, port } = await startDaemon()
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)
    const moved = await configOf()
    await daemon.reload(moved.config)
    await connectTo(moved.port).send(STARTUP).got(LOGGED_IN)
    const old = connect({ host: '127.0.0.1', port })
    sockets.push(old)
    const refused = await new Promise((resolve) => old.on('error', resolve))

    expect(refused).toMatchObject({ code: 'ECONNREFUSED' })
    expect(daemon.status().sessions.active).toBe(2)
    expect(client.isClosed).toBe(false)
  })
})
