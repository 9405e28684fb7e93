/**
 * P5 and P7, idle sessions: they stay for as long as both ends are there, TCP asks for that at the times of `keepalive`,
 * and an end that is gone without a word is noticed.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFailed } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { freePort } from '../support/free-port.ts'
import { leftOut } from '../support/left-out.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import {
  PROCESS_NETWORK,
  processNetworkAvailable,
  runInNetworkOf,
  startInNetworkOf,
} from '../support/process-network.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { ProxyScene, tellOnFailure } from './scene.ts'
import { type TcpConnection, tcpConnections } from './tcp-timers.ts'

const LOGIN = { user: 'postgres', database: 'einvoice' }
/** What the kernel adds to the idle time: Node asks it for ten questions, one a second. */
const QUESTIONS_MS = 10_000

let cluster: PostgresCluster
let node1: PostgresServer

beforeAll(async () => {
  cluster = await createCluster({ nodes: 1, repmgrTables: false, application: true })
  node1 = cluster.node('node1')
})

afterAll(async () => {
  await cluster.destroy()
})

describe.skipIf(leftOut('timers of TCP', process.platform === 'linux' || 'only Linux tells them in /proc'))(
  'an idle session',
  () => {
    let scene: ProxyScene
    const clients: RawClient[] = []

    afterEach(async () => {
      for (const client of clients.splice(0)) client.destroy()
      await scene.close()
    })

    const login = async (name: string): Promise<RawClient> => {
      const client = await RawClient.login(scene.target, name)
      clients.push(client)
      return client
    }

    /** The proxy's ends of a session: towards its client, and towards the node. */
    const legsOf = async (client: RawClient, name: string): Promise<readonly (TcpConnection | undefined)[]> => {
      const port = await node1.value(`SELECT client_port FROM pg_stat_activity WHERE application_name = '${name}'`)
      const all = tcpConnections(scene.proxy.pid)
      return [
        all.find(
          ({ localPort, remotePort }) => localPort === scene.target.port && remotePort === client.socket.localPort,
        ),
        all.find(({ localPort, remotePort }) => localPort === port && remotePort === node1.port),
      ]
    }

    it('has keepalive on both sides, a minute after the last byte unless told otherwise', async () => {
      scene = await ProxyScene.inFrontOf(cluster)
      tellOnFailure(() => scene)
      const client = await login('idle')
      for (const leg of await legsOf(client, 'idle')) {
        expect(leg?.keepAliveMs).toBeGreaterThan(50_000)
        expect(leg?.keepAliveMs).toBeLessThanOrEqual(60_000)
      }
    })

    it('has the time of each side, and none where that is 0', async () => {
      scene = await ProxyScene.inFrontOf(cluster, { keepalive: { client: '0s', server: '30s' } })
      tellOnFailure(() => scene)
      const [toClient, toServer] = await legsOf(await login('idle'), 'idle')
      expect(toClient).toMatchObject({ keepAliveMs: null })
      expect(toServer?.keepAliveMs).toBeGreaterThan(20_000)
      expect(toServer?.keepAliveMs).toBeLessThanOrEqual(30_000)
    })

    it('stays while both ends answer, and works after that', async () => {
      scene = await ProxyScene.inFrontOf(cluster, { keepalive: { client: '1s', server: '1s' } })
      tellOnFailure(() => scene)
      const client = await login('idle')
      // Each time that the timer is further away than before, TCP has asked, or was answered.
      const [last, rounds] = [
        [0, 0],
        [0, 0],
      ]
      await waitFor(
        'keepalive to have asked three times on both sides',
        async () => {
          for (const [index, leg] of (await legsOf(client, 'idle')).entries()) {
            const leftMs = leg?.keepAliveMs ?? 0
            if (leftMs > (last[index] ?? 0)) rounds[index] = (rounds[index] ?? 0) + 1
            last[index] = leftMs
          }
          return rounds
        },
        { until: (seen) => seen.every((count) => count >= 4), intervalMs: 50 },
      )
      client.query('SELECT 1')
      await client.waitForNth('Z', 2)
    })
  },
)

/** Logs in over TCP, tells what it gets, and holds the connection. */
const CLIENT = `
  const [port, login] = process.argv.slice(1)
  const socket = require('node:net').connect(Number(port), '127.0.0.1')
  socket.write(Buffer.from(login, 'hex'))
  socket.pipe(process.stdout)`

/** Brings what comes by TCP to a Unix socket. */
const FORWARDER = `
  const { connect, createServer } = require('node:net')
  const [port, path] = process.argv.slice(1)
  createServer((socket) => {
    const server = connect(path)
    for (const [one, other] of [[socket, server], [server, socket]])
      one.pipe(other).on('error', () => one.destroy())
  }).listen(Number(port), '127.0.0.1', () => process.stdout.write('listening'))`

describe.skipIf(leftOut('ends that go silent', processNetworkAvailable()))('an end that is gone without a word', () => {
  const [CLIENT_MS, SERVER_MS] = [1_000, 3_000]
  let folder: string
  let proxy: ProxyProcess | undefined
  const started: ChildProcess[] = []

  afterEach(async () => {
    for (const child of started) child.kill('SIGKILL')
    await proxy?.destroy()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is noticed ten seconds after keepalive asked first, the client as the server', async () => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-idle-'))
    const [clientPort, nodePort] = [await freePort(), await freePort()]
    const socketPath = join(folder, '.s.PGSQL.5432')
    const config = await writeProxyConfig(folder, cluster, {
      listeners: [{ address: `127.0.0.1:${clientPort}` }, { address: `unix:${socketPath}` }],
      nodes: [{ name: 'node1', address: `127.0.0.1:${nodePort}` }],
      keepalive: { client: `${CLIENT_MS}ms`, server: `${SERVER_MS}ms` },
    })
    proxy = new ProxyProcess(config, { launcher: PROCESS_NETWORK })
    onTestFailed(() => void process.stderr.write(`${proxy?.tail(40)}\n`))
    await proxy.waitForLog('its listeners', ({ msg }) => msg === 'admin address open')
    const start = async (until: string, script: string, ...args: readonly string[]) => {
      const child = startInNetworkOf(proxy?.pid, script, ...args)
      started.push(child)
      let said = ''
      child.stdout?.on('data', (piece: Buffer) => {
        said += piece.toString('latin1')
      })
      await waitFor('the program in that network', () => said.includes(until))
    }
    await start('listening', FORWARDER, String(nodePort), `${node1.folder}/.s.PGSQL.${node1.port}`)
    await proxy.waitForLog('a primary', ({ msg, state }) => msg === 'decision' && state === 'serving')
    const ready = 'Z\0\0\0\x05I'
    await start(
      ready,
      CLIENT,
      String(clientPort),
      startupMessage({ ...LOGIN, application_name: 'far' }).toString('hex'),
    )
    // Comes by a Unix socket, so that nothing but its server is cut off from it.
    const near = connect(socketPath)
    let heard = ''
    near.on('data', (piece) => {
      heard += piece.toString('latin1')
    })
    near.write(startupMessage({ ...LOGIN, application_name: 'near' }))
    await waitFor('the login', () => heard.includes(ready))

    const since = proxy.log.length
    const downAt = performance.now()
    runInNetworkOf(proxy.pid, ['ip', 'link', 'set', 'lo', 'down'])
    const ended = async (reason: string, idleMs: number) => {
      const isIt = (record: { readonly msg?: unknown; readonly reason?: unknown }) =>
        record.msg === 'session ended' && record.reason === reason
      const latestMs = idleMs + QUESTIONS_MS + 5_000
      await proxy?.waitForLog(`a session ended as ${reason}`, isIt, { since, timeoutMs: latestMs })
      expect(performance.now() - downAt).toBeGreaterThan(QUESTIONS_MS - 1_000)
    }
    await ended('client-lost', CLIENT_MS)
    await ended('backend-lost', SERVER_MS)
    expect(heard).toContain('C08006\0')
    near.destroy()
  })
})
