/**
 * P8, the proxy stops: in order, letting what runs finish; at once, when told twice.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { SESSION_ENDED, SHUTTING_DOWN } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

let scene: Scene
const clients: RawClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await scene.close()
})

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
    scene = await Scene.open({ nodes: 1, repmgrTables: false })
    tellOnFailure(() => scene)
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
    expect(await scene.node('node1').value("SELECT to_regclass('drained') IS NOT NULL", { database: 'einvoice' })).toBe(
      true,
    )
  })

  it('a session that is still held is told that it is over', async () => {
    scene = await Scene.open({ nodes: 1, repmgrTables: false })
    tellOnFailure(() => scene)
    await scene.node('node1').stop('immediate')
    await scene.waitForStatus('the loss', ({ primary }) => primary === null)
    const held = await RawClient.connect(scene.target)
    clients.push(held)
    held.send(startupMessage({ user: 'postgres', database: 'einvoice' }))
    await scene.waitUntilHeld(1)
    scene.proxy.signal('SIGTERM')
    await held.waitForEnd()
    expect(held.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '57P03', M: SHUTTING_DOWN })])
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })

  it('those who are left when the grace is over are ended with 57P01', async () => {
    scene = await Scene.open({ nodes: 1, repmgrTables: false, proxy: { shutdown: { grace: '300ms' } } })
    tellOnFailure(() => scene)
    const client = await login()
    client.query('SELECT pg_sleep(60)')
    await scene.node('node1').waitFor("SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
    const toldAt = performance.now()
    await beginToStop()
    await client.waitForEnd()
    expect(performance.now() - toldAt).toBeGreaterThanOrEqual(290)
    expect(client.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '57P01', M: SESSION_ENDED })])
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })

  it('a second SIGTERM ends it at once', async () => {
    scene = await Scene.open({ nodes: 1, repmgrTables: false, proxy: { shutdown: { grace: '1h' } } })
    tellOnFailure(() => scene)
    const client = await login()
    await beginToStop()
    expect(client.hasEnded).toBe(false)
    scene.proxy.signal('SIGTERM')
    await client.waitForEnd(2_000)
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })

  it('a failover during the drain is followed: sessions on the old primary end', async () => {
    scene = await Scene.open({ nodes: 2, proxy: { shutdown: { grace: '1h' } } })
    tellOnFailure(() => scene)
    const client = await login()
    await beginToStop()
    await scene.promote('node2')
    await client.waitForEnd()
    expect(client.errors).toEqual([
      expect.objectContaining({ C: '57P01', D: 'pgha-proxy: node1 is no longer primary (now node2)' }),
    ])
    expect(await scene.proxy.exited).toEqual({ code: 0, signal: null })
  })
})
