/**
 * P7, the PROXY protocol: a real HAProxy in front, real psql through it; who is no load balancer may not speak for
 * others; and whatever a load balancer sends instead of a header, a neighbour at full speed loses nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TCP4, version1 } from '../protocol/proxy-header-bytes.ts'
import { freePorts } from '../support/free-port.ts'
import { Haproxy, haproxyAvailable } from '../support/haproxy.ts'
import { leftOut } from '../support/left-out.ts'
import { LOGIN, NO_HEADERS, STRANGERS, TOO_MANY_FROM_ADDRESS } from './hostile-forms.ts'
import { HostileWatch } from './hostile-watch.ts'
import { StreamingNeighbour } from './neighbour.ts'
import { type ProgramResult, programsAvailable, runProgram } from './programs.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

const BALANCER = '127.0.0.5'
const STRANGER = '127.0.0.6'
const STARTUP_TIMEOUT_MS = 300
const SESSIONS_PER_ADDRESS = 3

let scene: Scene
let neighbour: StreamingNeighbour
let watch: HostileWatch
/** Only for load balancers, and for whoever else is trusted with nothing. */
let port: number

beforeAll(async () => {
  const ports = await freePorts(2)
  port = ports[0] ?? 0
  scene = await Scene.open({
    nodes: 1,
    repmgrTables: false,
    proxy: {
      listeners: [{ address: `127.0.0.1:${port}`, proxy_protocol: { from: [`${BALANCER}/32`, '::1'] } }],
      limits: { startup_timeout: `${STARTUP_TIMEOUT_MS}ms`, max_sessions_per_address: SESSIONS_PER_ADDRESS },
    },
  })
  neighbour = await StreamingNeighbour.start({ host: '127.0.0.1', port })
  watch = new HostileWatch(scene, neighbour)
})

beforeEach(() => tellOnFailure(() => scene))

afterAll(async () => {
  expect(neighbour.problems).toEqual([])
  neighbour.stop()
  await scene.close()
})

/** A connection that comes from this address of loopback. */
async function connectFrom(localAddress: string): Promise<RawClient> {
  const target = { host: '127.0.0.1', port, localAddress }
  return await RawClient.connect(target)
}

async function waitForSessionLog(since: number, reason: string): Promise<Readonly<Record<string, unknown>>> {
  const isIt = (record: Readonly<Record<string, unknown>>) =>
    record['msg'] === 'session ended' && record['reason'] === reason
  return await scene.proxy.waitForLog(`a session that ended as ${reason}`, isIt, { since })
}

describe.skipIf(leftOut('HAProxy in front of the proxy', haproxyAvailable()))('HAProxy', () => {
  let haproxy: Haproxy
  let folder: string
  let routes: readonly number[]

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-haproxy-'))
    routes = await freePorts(6, '::1')
    const server = `127.0.0.1:${port}`
    const ways = [
      `${server} send-proxy source ${BALANCER}`,
      `${server} send-proxy-v2 source ${BALANCER}`,
      `${server} send-proxy source ${STRANGER}`,
      `${server} source ${BALANCER}`,
      `${server} send-proxy-v2 proxy-v2-options unique-id,crc32c source ${BALANCER} check inter 100ms`,
      `${server} source ${STRANGER}`,
    ]
    haproxy = await Haproxy.start(
      folder,
      ways.map((way, index) => ({ bind: `[::1]:${routes[index]}`, server: way })),
    )
  })

  afterAll(async () => {
    await haproxy.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const psql = async (route: number, sslmode = 'prefer'): Promise<ProgramResult> =>
    await runProgram('psql', ['-XAtc', 'SELECT 42'], {
      target: { host: '::1', port: routes[route] ?? 0 },
      env: { PGSSLMODE: sslmode },
    })

  describe.skipIf(leftOut('psql through HAProxy', programsAvailable('psql')))('with psql', () => {
    it.each([
      ['version 1', 0],
      ['version 2', 1],
      ['version 2 with TLVs', 4],
    ])('says who its client is, and the log has both (%s)', async (_, route) => {
      const since = scene.proxy.log.length
      expect(await psql(route)).toMatchObject({ code: 0, stdout: '42\n' })
      expect(await waitForSessionLog(since, 'finished')).toMatchObject({ client: '::1', peer: BALANCER })
    })

    it('is refused when it speaks for others and is not trusted to', async () => {
      const before = await scene.endedCount('malformed-startup')
      const since = scene.proxy.log.length
      const { code, stderr } = await psql(2, 'disable')
      expect(code).toBe(2)
      expect(stderr).toContain('FATAL:  invalid startup packet: length out of bounds')
      expect(await waitForSessionLog(since, 'malformed-startup')).toMatchObject({ client: STRANGER })
      expect(await scene.endedCount('malformed-startup')).toBeGreaterThan(before)
    })

    it('is closed when it is trusted and does not say for whom it speaks', async () => {
      const since = scene.proxy.log.length
      const { code, stderr } = await psql(3)
      expect(code).toBe(2)
      expect(stderr).toContain('server closed the connection unexpectedly')
      expect(await waitForSessionLog(since, 'no-proxy-header')).toMatchObject({
        level: 'info',
        peer: BALANCER,
        client: null,
        problem: 'the connection does not begin with one',
      })
    })

    it('is a client like any other when it is neither trusted nor speaks for others', async () => {
      expect(await psql(5)).toMatchObject({ code: 0, stdout: '42\n' })
    })
  })

  it('may check the proxy ten times a second without a line in the log that anybody has to read', async () => {
    const { accepted } = (await scene.status()).sessions
    const since = scene.proxy.log.length
    await scene.waitForStatus('some checks', ({ sessions }) => sessions.accepted > accepted + 10)
    const noise = scene.proxy.log.slice(since).filter(({ level, msg }) => msg === 'session ended' && level !== 'debug')
    expect(noise).toEqual([])
  })
})

describe('GET /api/sessions', () => {
  it('tells the client apart from the load balancer', async () => {
    const client = await connectFrom(BALANCER)
    client.send(Buffer.concat([TCP4, LOGIN]))
    await client.waitForMessage('Z')
    const answer = await scene.proxy.get('/api/sessions?client=203.0.113.7')
    expect(await answer.json()).toMatchObject({
      total: 1,
      sessions: [{ client: '203.0.113.7', peer: BALANCER, node: 'node1', phase: 'relaying' }],
      clients: [{ client: '203.0.113.7', sessions: 1 }],
    })
    expect((await scene.proxy.get('/api/sessions?limit=many')).status).toBe(400)
    client.destroy()
  })
})

describe('a load balancer that sends', () => {
  it.each(NO_HEADERS)('$name is refused, counted and named: $counted', async (form) => {
    await watch.begin(form)
    const since = scene.proxy.log.length
    const client = await connectFrom(BALANCER)
    client.send(form.bytes)
    const words = await client.waitForEnd()
    client.destroy()
    await watch.end(form, words)
    const record = await waitForSessionLog(since, form.counted)
    expect(record).toMatchObject({ level: 'info', peer: BALANCER })
    if (form.told === null) expect(JSON.stringify(record)).not.toMatch(/Zz|203\.0\.113\.7/)
  })

  it('more sessions of one client than it may have is refused, whatever others of its clients have', async () => {
    await scene.waitForStatus('the neighbour to be alone', ({ sessions }) => sessions.active === 1)
    await watch.begin(TOO_MANY_FROM_ADDRESS)
    const introduce = async (header: Buffer) => {
      const client = await connectFrom(BALANCER)
      client.send(Buffer.concat([header, LOGIN]))
      return client
    }
    const others = await Promise.all(Array.from({ length: SESSIONS_PER_ADDRESS }, () => introduce(TCP4)))
    for (const client of others) await client.waitForMessage('Z')
    const late = await introduce(TCP4)
    await watch.end(TOO_MANY_FROM_ADDRESS, await late.waitForEnd())
    const another = await introduce(version1('TCP4 203.0.113.8 192.0.2.1 56324 5432'))
    await another.waitForMessage('Z')
    for (const client of [...others, late, another]) client.destroy()
    await scene.waitForStatus('all to be gone', ({ sessions }) => sessions.active === 1)
  })

  it('a header cut off by a reset leaves nothing behind', async () => {
    const active = (await scene.status()).sessions.active
    const socket = connect({ host: '127.0.0.1', port, localAddress: BALANCER })
    socket.on('error', () => undefined)
    socket.write(TCP4.subarray(0, 20))
    await scene.waitForStatus('the session', ({ sessions }) => sessions.active === active + 1)
    socket.resetAndDestroy()
    await scene.waitForStatus('it to be gone', ({ sessions }) => sessions.active === active)
  })
})

describe('a stranger that sends', () => {
  it.each(STRANGERS)('$name is told that it is no startup packet, under its own address', async (form) => {
    await watch.begin(form)
    const since = scene.proxy.log.length
    const client = await connectFrom(STRANGER)
    client.send(form.bytes)
    const words = await client.waitForEnd()
    client.destroy()
    await watch.end(form, words)
    expect(await waitForSessionLog(since, form.counted)).toMatchObject({ client: STRANGER })
  })
})
