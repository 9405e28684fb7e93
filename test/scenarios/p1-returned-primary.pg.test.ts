/**
 * P1, an old primary that comes back as a second primary: nobody is sent to it, whatever speaks for it.
 */
import { afterEach, describe, expect, it } from 'vitest'
import type { PostgresServer } from '../support/postgres-server.ts'
import { loginCount, Scene, tellOnFailure } from './scene.ts'
import { Crowd } from './writers.ts'

let scene: Scene
let crowd: Crowd | undefined

afterEach(async () => {
  await crowd?.stop()
  crowd = undefined
  await scene.close()
})

describe('after a crash and a promotion', () => {
  it('sends nobody to the old primary, which returns twice, has the higher LSN and keeps a standby (X7)', async () => {
    scene = await Scene.open({ nodes: 3, passwords: false })
    tellOnFailure(() => scene)
    const [node1, node2, node3] = [scene.node('node1'), scene.node('node2'), scene.node('node3')]
    crowd = new Crowd(scene.target, { long: 3, fresh: 3 })
    await crowd.waitForMore(3, addressOf(node1))

    await node1.kill()
    await scene.promote('node2')
    await crowd.waitForMore(3, addressOf(node2))
    const promotedAt = performance.now()
    const loginsBefore = loginCount(node1)

    await node1.start()
    const invoicesOnReturn = await countInvoices(node1)
    // Nobody told node3 of the failover: it streams from the returned one, and so votes for it.
    await scene.cluster.waitForStreaming(node1, [node3])
    await writeAheadOf(node1, node2)
    await scene.waitForRole('node1', 'stale-primary')
    const seen = await scene.waitForStatus('node3 to be seen on node1', ({ nodes }) =>
      nodes.some((node) => node.name === 'node3' && node.upstream === addressOf(node1)),
    )
    expect(seen).toMatchObject({ state: 'serving', primary: 'node2', timelineId: 2 })
    await crowd.waitForMore(10, addressOf(node2))

    const since = scene.proxy.log.length
    await node1.restart()
    await scene.waitUntilBack('node1', since)
    await scene.waitForRole('node1', 'stale-primary')
    await crowd.waitForMore(10, addressOf(node2))
    await crowd.stop()

    expect(loginCount(node1)).toBe(loginsBefore)
    expect(await countInvoices(node1)).toBe(invoicesOnReturn)
    const late = crowd.acknowledged.filter((each) => each.at > promotedAt)
    expect(late.filter((each) => each.server !== addressOf(node2))).toEqual([])
    expect(crowd.errors.filter((error) => error.code === '25006')).toEqual([])
    expect(crowd.errors.filter((error) => error.phase === 'connect')).toEqual([])
  })

  it('sends nobody to it after a restart of the proxy either, when it is the only one who answers (X-return)', async () => {
    scene = await Scene.open({ nodes: 2, proxy: { hold: { timeout: '500ms' } } })
    tellOnFailure(() => scene)
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    await node1.kill()
    await scene.promote('node2')
    await scene.waitUntilServing('node2')
    const loginsBefore = loginCount(node1)

    expect(await scene.proxy.stop()).toEqual({ code: 0, signal: null })
    await node2.kill()
    await node1.start()
    // Word for word a healthy primary with a dead standby: only the state file knows better.
    expect((await scene.cluster.repmgrRows(node1)).map(({ type, active }) => [type, active])).toEqual([
      ['primary', true],
      ['standby', true],
    ])
    scene.startProxyAgain()
    await scene.waitForRole('node1', 'stale-primary')
    crowd = new Crowd(scene.target, { long: 0, fresh: 1 })
    await scene.waitForStatus('a session to expire', ({ sessions }) => (sessions.ended['hold-expired'] ?? 0) > 0)
    expect(await scene.status()).toMatchObject({ state: 'no-primary', primary: null, timelineId: 2 })
    expect(crowd.acknowledged).toEqual([])

    await node2.start()
    await crowd.waitForMore(3, addressOf(node2))
    expect(loginCount(node1)).toBe(loginsBefore)
  })
})

function addressOf(server: PostgresServer): string {
  return `${server.host}:${server.port}`
}

async function countInvoices(server: PostgresServer): Promise<unknown> {
  return await server.value('SELECT count(*)::int FROM invoices', { database: 'einvoice' })
}

/** Has `server` write until its LSN, which says nothing across timelines, is above that of `other`. */
async function writeAheadOf(server: PostgresServer, other: PostgresServer): Promise<void> {
  const position = async (each: PostgresServer) => await each.value('SELECT pg_current_wal_lsn()')
  const aim = await position(other)
  for (;;) {
    await server.query(
      'CREATE TABLE IF NOT EXISTS filler (x text); INSERT INTO filler VALUES (1); SELECT pg_switch_wal()',
    )
    if (await server.value(`SELECT pg_current_wal_lsn() > '${String(aim)}'::pg_lsn + 64 * 1024 * 1024`)) return
  }
}
