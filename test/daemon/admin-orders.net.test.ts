/** Orders as the running proxy carries them out, given over its admin address, in front of a server that is a fake. */
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Daemon } from '../../src/daemon/daemon.ts'
import { RawClient, STARTUP } from '../net/session-rig.ts'
import { type FakePostgres, LOGGED_IN, servePrimary, startFakePostgres } from '../probe/fake-postgres.ts'
import { realClock } from '../probe/real-clock.ts'
import { waitFor } from '../support/condition.ts'
import { mustLoad } from '../support/config-text.ts'
import { freePort } from '../support/free-port.ts'
import { createMemoryLog } from '../support/memory-log.ts'

const TOKEN = 'a-token-that-is-long'
const NOW = Promise.resolve()

let folder: string
let primary: FakePostgres
let isPrimaryOpen: boolean
const closers: (() => unknown)[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-orders-'))
  primary = await startFakePostgres(servePrimary())
  isPrimaryOpen = true
})

afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  if (isPrimaryOpen) await primary.close()
  rmSync(folder, { recursive: true, force: true })
})

async function startDaemon() {
  const port = await freePort()
  const text = [
    `listeners: [{ address: "127.0.0.1:${port}" }]`,
    `nodes: [{ name: node1, address: "127.0.0.1:${primary.port}" }]`,
    'monitor: { user: pgha, password: secret, sslmode: disable }',
    'admin: { address: "127.0.0.1:0" }',
    `state_dir: ${folder}`,
  ].join('\n')
  const config = mustLoad(text)
  const log = createMemoryLog()
  const daemon = new Daemon({
    config,
    adminToken: TOKEN,
    environment: {},
    clock: realClock,
    logger: log.logger,
    version: '1.2.3',
  })
  await daemon.start()
  closers.unshift(() => daemon.stop(NOW))
  const url = `http://${daemon.adminAddress}`
  const give = async (order: string, body: unknown, token = TOKEN) => {
    const answer = await fetch(`${url}/api/${order}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    })
    return { code: answer.status, ...((await answer.json()) as { message?: string; error?: string }) }
  }
  const codeOf = async (path: string): Promise<number> => (await fetch(`${url}${path}`)).status
  const codeUnder = async (host: string): Promise<number> =>
    await new Promise((resolve, reject) => {
      const sent = request(`${url}/livez`, { headers: { host }, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      sent.once('error', reject)
      sent.end()
    })
  const textOf = async (path: string): Promise<string> => await (await fetch(`${url}${path}`)).text()
  await waitFor('the primary', async () => (await codeOf('/readyz')) === 200)
  return { daemon, log, config, port, give, codeOf, codeUnder, textOf }
}

function connectTo(port: number): RawClient {
  const client = new RawClient(port)
  closers.unshift(() => client.socket.destroy())
  return client
}

/** Of a new connection: how it was refused. */
async function refusalOf(port: number): Promise<string | null> {
  const client = connectTo(port)
  await waitFor('the refusal', () => client.error)
  return client.error
}

describe('the order to drain', () => {
  it('refuses new connections, lets running sessions go on, and is taken back', async () => {
    const { daemon, port, give, codeOf } = await startDaemon()
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)
    expect(await give('drain', { drain: true })).toMatchObject({ code: 200 })

    expect(await refusalOf(port)).toBe('ECONNREFUSED')
    expect(daemon.status().draining).toBe(true)
    const codes = await Promise.all(['/livez', '/readyz', '/primary', '/health', '/liveness'].map(codeOf))
    expect(codes).toEqual([200, 503, 503, 503, 200])
    expect(client.isClosed).toBe(false)

    expect(await give('drain', { drain: false })).toMatchObject({ code: 200, message: 'new sessions are taken again' })
    expect([daemon.status().draining, await codeOf('/readyz'), await codeOf('/health')]).toEqual([false, 200, 200])
    await connectTo(port).send(STARTUP).got(LOGGED_IN)
    expect(client.isClosed).toBe(false)
  })

  it('goes on to probe and to fence: a session on a node that is fenced ends', async () => {
    const { port, give } = await startDaemon()
    const client = connectTo(port).send(STARTUP)
    await client.got(LOGGED_IN)
    await give('drain', {})
    expect(await give('fence', { node: 'node1' })).toMatchObject({ code: 200 })
    await waitFor('the end of the session', () => client.hasEnded || client.isClosed)
  })

  it('tells those who wait for a primary that it is over', async () => {
    const { daemon, port, give } = await startDaemon()
    await give('fence', { node: 'node1' })
    const waiting = connectTo(port).send(STARTUP)
    await waitFor('it to be held', () => daemon.status().sessions.held === 1)
    await give('drain', {})
    await waitFor('the refusal', () => waiting.hasEnded || waiting.isClosed)
    expect(waiting.received.toString('latin1')).toContain('57P03')
    waiting.socket.destroy()
    await waitFor('it to be counted', () => daemon.status().sessions.ended['shutting-down'] === 1)
    expect(daemon.status().sessions).toMatchObject({ active: 0, held: 0 })
  })

  it('may be given twice, and not be taken back twice', async () => {
    const { give } = await startDaemon()
    expect(await give('drain', {})).toMatchObject({ code: 200 })
    expect(await give('drain', {})).toMatchObject({ code: 200 })
    expect(await give('drain', { drain: false })).toMatchObject({ code: 200 })
    expect(await give('drain', { drain: false })).toMatchObject({ code: 409, error: 'the proxy is not draining' })
  })

  it('outlives a reload, which may even move the listener', async () => {
    const { daemon, config, port, give } = await startDaemon()
    await give('drain', {})
    const moved = await freePort()
    const [listener] = config.listeners
    if (listener === undefined) throw new Error('there is a listener')
    const address = { kind: 'tcp', host: '127.0.0.1', port: moved } as const
    await daemon.reload({ ...config, listeners: [{ ...listener, address }] })
    expect([await refusalOf(moved), daemon.status().draining]).toEqual(['ECONNREFUSED', true])

    await give('drain', { drain: false })
    await connectTo(moved).send(STARTUP).got(LOGGED_IN)
    expect(await refusalOf(port)).toBe('ECONNREFUSED')
  })

  it('goes on when its port is taken meanwhile: that is said, and may be tried again', async () => {
    const { daemon, port, give, codeOf } = await startDaemon()
    await give('drain', {})
    const thief = createServer()
    await new Promise<void>((resolve) => thief.listen({ host: '127.0.0.1', port }, resolve))
    const { code, error } = await give('drain', { drain: false })
    expect([code, daemon.status().draining, await codeOf('/health')]).toEqual([409, true, 503])
    expect(error).toContain(`127.0.0.1:${port}`)

    await new Promise((resolve) => thief.close(resolve))
    expect(await give('drain', { drain: false })).toMatchObject({ code: 200 })
    await connectTo(port).send(STARTUP).got(LOGGED_IN)
  })

  it('is in the log, and ends with the process', async () => {
    const { daemon, log, give } = await startDaemon()
    await give('drain', { reason: 'kernel update' })
    expect(log.lines.filter(({ msg }) => msg === 'order')).toMatchObject([
      { order: 'drain', isOn: true, reason: 'kernel update', client: '127.0.0.1', ok: true },
    ])
    await daemon.stop(NOW)
    expect(daemon.listenAddresses).toEqual([])
  })
})

describe('every order', () => {
  it('is counted, by what became of it', async () => {
    const { give, textOf } = await startDaemon()
    await give('drain', {})
    await give('probe', {})
    await give('fence', { node: 'node9' })
    await give('drain', {}, 'wrong')
    await give('drain', { drain: 'please' })
    expect((await textOf('/metrics')).match(/^pgha_orders_total.*$/gm)).toEqual([
      'pgha_orders_total{result="done"} 2',
      'pgha_orders_total{result="failed"} 1',
      'pgha_orders_total{result="refused"} 2',
    ])
  })
})

describe('the order to probe', () => {
  it('answers when the nodes have, with a status that is new', async () => {
    const { daemon, give } = await startDaemon()
    const { code, message } = await give('probe', {})
    expect([code, message]).toEqual([200, 'asked node1'])
    expect(daemon.status().nodes[0]?.lastSeenMs).toBeLessThan(500)
    expect(await give('probe', { node: 'node9' })).toMatchObject({
      code: 409,
      error: 'there is no node "node9"; the nodes are node1',
    })
  })

  it('sees at once what has happened', async () => {
    const { daemon, give } = await startDaemon()
    isPrimaryOpen = false
    await primary.close()
    expect(await give('probe', { node: 'node1' })).toMatchObject({ code: 200, message: 'asked node1' })
    expect(daemon.status().nodes[0]?.problem).not.toBeNull()
  })
})

describe('a reload', () => {
  it('takes another token over, and other host names', async () => {
    const { daemon, config, give, codeUnder, log } = await startDaemon()
    const { admin } = config
    if (admin === null) throw new Error('there is an admin address')
    expect(await codeUnder('proxy.example')).toBe(403)
    await daemon.reload({ ...config, admin: { ...admin, hosts: ['proxy.example'] } }, 'another-token-altogether')
    expect(await codeUnder('proxy.example')).toBe(200)
    expect(await give('drain', {})).toMatchObject({ code: 401 })
    expect(await give('drain', {}, 'another-token-altogether')).toMatchObject({ code: 200 })
    const reloads = log.lines.filter(({ msg }) => msg === 'configuration reloaded')
    expect(reloads).toMatchObject([
      { changed: ['admin.hosts: [] -> ["proxy.example"]', 'admin.token_file: another token in it'] },
    ])
    expect(JSON.stringify(log.lines)).not.toContain('another-token-altogether')
  })

  it('does not open the admin address anew, and says that it waits for a restart', async () => {
    const { daemon, config, log } = await startDaemon()
    const before = daemon.adminAddress
    const { admin } = config
    if (admin === null) throw new Error('there is an admin address')
    await daemon.reload({ ...config, admin: { ...admin, address: { kind: 'unix', path: join(folder, 'sock') } } })
    expect(daemon.adminAddress).toBe(before)
    expect(log.lines.filter(({ msg }) => msg === 'these changes need a restart')).toHaveLength(1)
  })
})
