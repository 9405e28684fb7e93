/**
 * P7, the PROXY protocol: a real HAProxy in front, real psql through it; who is no load balancer may not speak for
 * others; and whatever a load balancer sends instead of a header, a neighbour at full speed loses nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TCP4, TCP4_V2, V2_LOCAL, V2_PROXY, version1, version2 } from '../protocol/proxy-header-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { freePorts } from '../support/free-port.ts'
import { Haproxy, haproxyAvailable } from '../support/haproxy.ts'
import { leftOut } from '../support/left-out.ts'
import { StreamingNeighbour } from './neighbour.ts'
import { type ProgramResult, programsAvailable, runProgram } from './programs.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

const BALANCER = '127.0.0.5'
const STRANGER = '127.0.0.6'
const STARTUP_TIMEOUT_MS = 300
const LOGIN = startupMessage({ user: 'postgres', database: 'einvoice' })

let scene: Scene
let neighbour: StreamingNeighbour
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
      limits: { startup_timeout: `${STARTUP_TIMEOUT_MS}ms` },
    },
  })
  neighbour = await StreamingNeighbour.start({ host: '127.0.0.1', port })
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

/** What a trusted load balancer sends where its header should be. */
const OFFENCES: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['no header', LOGIN],
  ['garbage', Buffer.alloc(70_000, 'Zz')],
  ['a malformed line', version1('TCP4 203.0.113.7 192.0.2.1 56324')],
  ['a line without an end', Buffer.alloc(10_000, 'PROXY UNKNOWN ')],
  ['version 2 with a length of 64 KiB', version2(V2_LOCAL, 0, Buffer.alloc(65_535))],
  ['version 2 with an unknown command', version2(0x2f, 0x11, TCP4_V2.subarray(16))],
  ['version 2 too short for its addresses', version2(V2_PROXY, 0x21, TCP4_V2.subarray(16))],
  ['half a header and nothing more', TCP4.subarray(0, 20)],
  ['half a binary header and nothing more', TCP4_V2.subarray(0, 20)],
  ['nothing at all', Buffer.alloc(0)],
]

describe('a load balancer that sends', () => {
  it.each(OFFENCES)('%s is disconnected without a word, counted and named', async (_, bytes) => {
    const before = await scene.endedCount('no-proxy-header')
    const since = scene.proxy.log.length
    const client = await connectFrom(BALANCER)
    client.send(bytes)
    expect(await client.waitForEnd()).toHaveLength(0)
    client.destroy()
    const record = await waitForSessionLog(since, 'no-proxy-header')
    expect(record).toMatchObject({ level: 'info', client: null, peer: BALANCER })
    expect(JSON.stringify(record)).not.toMatch(/Zz|203\.0\.113\.7/)
    await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended['no-proxy-header'] === before + 1)
    await neighbour.waitForMore(200)
    expect(neighbour.problems).toEqual([])
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

describe('a stranger that sends a header', () => {
  it.each([
    ['version 1', TCP4],
    ['version 2', TCP4_V2],
  ])('is told that it is no startup packet, under its own address (%s)', async (_, header) => {
    const since = scene.proxy.log.length
    const client = await connectFrom(STRANGER)
    client.send(Buffer.concat([header, LOGIN]))
    await client.waitForEnd()
    expect(client.errors).toEqual([
      expect.objectContaining({ S: 'FATAL', C: '08P01', M: 'invalid startup packet: length out of bounds' }),
    ])
    client.destroy()
    expect(await waitForSessionLog(since, 'malformed-startup')).toMatchObject({ client: STRANGER })
    await waitFor('the neighbour to be well', () => neighbour.rowCount > 0)
    await neighbour.waitForMore(100)
  })
})
