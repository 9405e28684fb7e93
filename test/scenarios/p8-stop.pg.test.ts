/**
 * P8, the proxy stops: in order, letting what runs finish; at once, when told twice.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { SESSION_ENDED, SHUTTING_DOWN } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { ProxyScene, tellOnFailure } from './scene.ts'

/** Serves all tests; the last one promotes its node2. */
let cluster: PostgresCluster
let node1: PostgresServer
let scene: ProxyScene
const clients: RawClient[] = []

beforeAll(async () => {
  cluster = await createCluster({ nodes: 2, repmgrTables: true, application: true })
  node1 = cluster.node('node1')
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await scene.close()
})

afterAll(async () => {
  await cluster.destroy()
})

/** A proxy of the test's own. */
async function open(grace: string): Promise<void> {
  scene = await ProxyScene.inFrontOf(cluster, { shutdown: { grace } })
  tellOnFailure(() => scene)
}

async function login(): Promise<RawClient> {
  const client = await RawClient.login(scene.target)
  clients.push(client)
  return client
}

/** SIGTERM, and the moment when the proxy has begun to drain. */
async function beginToStop(): Promise<void> {
  scene.proxy.signal('SIGTERM')
  await scene.proxy.waitForLog('draining', ({ msg }) => msg === 'draining')
}

describe('after SIGTERM', () => {
  it('sessions go on, new ones are refused, and the proxy exits with 0 when the last has left', async () => {
    await open('1h')
    const client = await login()
    client.query('BEGIN; CREATE TABLE drained ()')
    await client.waitForMessage('C')
    await beginToStop()
    await expect(RawClient.connect(scene.target)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect((await scene.proxy.get('/readyz')).status).toBe(503)
    expect((await scene.status()).draining).toBe(true)

    client.query("COMMIT; SELECT 'still served'")
    await client.waitForMessage('D')
    client.destroy()
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
    expect(await node1.value("SELECT to_regclass('drained') IS NOT NULL", { database: 'einvoice' })).toBe(true)
  })

  it('those who are left when the grace is over are ended with 57P01', async () => {
    await open('300ms')
    const client = await login()
    client.query('SELECT pg_sleep(60)')
    await node1.waitFor("SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
    const toldAt = performance.now()
    await beginToStop()
    await client.waitForEnd()
    expect(performance.now() - toldAt).toBeGreaterThanOrEqual(290)
    expect(client.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '57P01', M: SESSION_ENDED })])
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })

  it('a second SIGTERM ends it at once', async () => {
    await open('1h')
    const client = await login()
    await beginToStop()
    expect(client.hasEnded).toBe(false)
    scene.proxy.signal('SIGTERM')
    await client.waitForEnd(2_000)
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })

  it('a session that is still held is told that it is over', async () => {
    await open('1h')
    await node1.stop('immediate')
    await scene.waitForStatus('the loss', ({ primary }) => primary === null)
    const held = await RawClient.connect(scene.target)
    clients.push(held)
    held.send(startupMessage({ user: 'postgres', database: 'einvoice' }))
    await scene.waitUntilHeld(1)
    scene.proxy.signal('SIGTERM')
    await held.waitForEnd()
    expect(held.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '57P03', M: SHUTTING_DOWN })])
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
    await node1.start()
  })

  it('a failover during the drain is followed: sessions on the old primary end', async () => {
    await open('1h')
    const client = await login()
    await beginToStop()
    await cluster.node('node2').promote()
    await cluster.recordPromotion(cluster.node('node2'))
    await client.waitForEnd()
    expect(client.errors).toEqual([
      expect.objectContaining({ C: '57P01', D: 'pgha-proxy: node1 is no longer primary (now node2)' }),
    ])
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })
})
