/**
 * P2, the host of the old primary says nothing at all: its sessions are closed at both sides when another primary is
 * accepted, and what it says after its thaw reaches no client.
 */
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { Crowd } from './writers.ts'

/** A frozen node counts as silent after 3 x 200 ms. */
const QUICK = { timeout: '200ms', failures: 3, interval: '200ms', decision_ttl: '2s' }

let scene: Scene
let crowd: Crowd | undefined
const clients: RawClient[] = []

afterEach(async () => {
  await crowd?.stop()
  crowd = undefined
  for (const client of clients.splice(0)) client.destroy()
  await scene.close()
})

describe('when the primary freezes and another one is accepted', () => {
  it.skipIf(leftOut('a look at the sockets', process.platform === 'linux' || 'only Linux lists them in /proc'))(
    'closes its sessions at both sides, and no client hears what it says after the thaw',
    async () => {
      scene = await Scene.open({ nodes: 2, proxy: { monitor: QUICK } })
      tellOnFailure(() => scene)
      const [node1, node2] = [scene.node('node1'), scene.node('node2')]
      const idle = await RawClient.login(scene.target, 'idle')
      const writing = await RawClient.login(scene.target, 'writing')
      clients.push(idle, writing)
      const ports = backendPorts(node1.port)
      expect(ports.length).toBeGreaterThanOrEqual(2)

      await node1.freeze()
      writing.query(
        "INSERT INTO invoices (number, customer, amount_cents) VALUES ('into-the-ice', 'c', 1) RETURNING 'done'",
      )
      await scene.waitForStatus('doubt', ({ state }) => state === 'uncertain')
      // Doubt alone ends nothing.
      expect([idle.hasEnded, writing.hasEnded]).toEqual([false, false])

      await scene.promote('node2')
      const promotedAt = performance.now()
      await Promise.all([idle.waitForEnd(), writing.waitForEnd()])
      expect(performance.now() - promotedAt).toBeLessThan(1_000)
      expect([idle, writing].map((client) => client.errors.map((error) => [error['C'], error['D']]))).toEqual([
        [['57P01', 'pgha-proxy: node1 is no longer primary (now node2)']],
        [['57P01', 'pgha-proxy: node1 is no longer primary (now node2)']],
      ])
      // Every connection there was is closed here, though nobody at the other end has answered.
      await waitFor('the sockets to be closed', () => backendPorts(node1.port).filter((port) => ports.includes(port)), {
        until: (open) => open.length === 0,
      })

      const heard = writing.received.length
      node1.thaw()
      await scene.waitForRole('node1', 'stale-primary')
      await node1.waitFor("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name IN ('idle', 'writing')")
      expect(writing.received).toHaveLength(heard)
      expect(writing.messages.filter(({ type }) => type === 'C')).toEqual([])
      expect(await node2.value('SELECT count(*)::int FROM invoices', { database: 'einvoice' })).toBe(0)
    },
  )

  it('keeps nobody waiting in the silent server: logins under way are held, and go to the new primary unseen', async () => {
    scene = await Scene.open({ nodes: 2, proxy: { monitor: QUICK } })
    tellOnFailure(() => scene)
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    await node1.freeze()
    crowd = new Crowd(scene.target, { long: 3, fresh: 3 })
    // They were sent to node1, which was not in doubt yet; since it is, they are back in the queue.
    await scene.waitUntilHeld(6)
    await scene.promote('node2')
    await crowd.waitForMore(5, `${node2.host}:${node2.port}`)
    node1.thaw()
    await scene.waitForRole('node1', 'stale-primary')
    await crowd.waitForMore(5, `${node2.host}:${node2.port}`)
    expect(crowd.errors).toEqual([])
  })
})

/**
 * Local ports of connections to `port` that some process still has open, in whatever state TCP is. Of one that was
 * closed while the other side says nothing, the kernel keeps an entry without an inode. Linux.
 */
function backendPorts(port: number): readonly number[] {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2] === remote && fields[9] !== '0')
    .map((fields) => Number.parseInt(fields[1]?.split(':')[1] ?? '', 16))
}
