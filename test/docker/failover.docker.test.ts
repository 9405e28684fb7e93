/**
 * The primary is lost in each way that containers know, with clients at work throughout. repmgrd decides; the proxy
 * follows. Afterwards the old primary comes back, and is not believed.
 */
import { describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { clusterStage } from './cluster-stage.ts'
import { engineAvailable } from './engine.ts'
import { expectKept } from './expectations.ts'

const stage = clusterStage()

describe.skipIf(leftOut('failover in containers', engineAvailable())).each([15, 17] as const)(
  'PostgreSQL %s with repmgr: the primary',
  (major) => {
    it('is killed', async () => {
      const cluster = await stage.open({ major })
      const since = Date.now()
      await cluster.node('pg-0').kill()
      const successor = await cluster.successorOf('pg-0')
      await cluster.proxy.waitUntilServing(successor)
      await cluster.clients.waitForMore(3, successor)
      const { proxyMs } = await cluster.outage(since, successor)

      expect(proxyMs).toBeLessThan(2_500)
      await expectKept(cluster, successor)
    })

    it('is stopped: nothing is lost, as it sends everything on before it ends', async () => {
      const cluster = await stage.open({ major })
      const since = Date.now()
      await cluster.node('pg-0').stop()
      const successor = await cluster.successorOf('pg-0')
      await cluster.proxy.waitUntilServing(successor)
      await cluster.clients.waitForMore(3, successor)
      await cluster.outage(since, successor)

      const { lostByReplication } = await expectKept(cluster, successor)
      expect(lostByReplication.size).toBe(0)
    })

    it('freezes, is replaced, and thaws: two nodes take writes, and clients know one', async () => {
      const cluster = await stage.open({ major })
      const old = cluster.node('pg-0')
      const since = Date.now()
      await old.pause()
      const successor = await cluster.successorOf('pg-0')
      await cluster.proxy.waitUntilServing(successor)
      await cluster.clients.waitForMore(3, successor)
      await cluster.outage(since, successor)
      await old.unpause()

      await cluster.proxy.waitForRole('pg-0', 'stale-primary')
      expect(await old.ask('SELECT pg_is_in_recovery()')).toBe('f')
      const returnedAt = Date.now()
      await cluster.clients.waitForMore(10, successor)
      expect(await old.loginsSince(returnedAt)).toBe(0)
      await expectKept(cluster, successor)
    })

    it('is cut off, is replaced, and is back: two nodes take writes, and clients know one', async () => {
      const cluster = await stage.open({ major })
      const old = cluster.node('pg-0')
      const since = Date.now()
      await old.disconnect()
      const successor = await cluster.successorOf('pg-0')
      await cluster.proxy.waitUntilServing(successor)
      await cluster.clients.waitForMore(3, successor)
      await cluster.outage(since, successor)
      // A standby that still knows the old primary would go back to it.
      await cluster.settle(successor, ['pg-0'])
      await old.connect()

      await cluster.proxy.waitForRole('pg-0', 'stale-primary')
      expect(await old.ask('SELECT pg_is_in_recovery()')).toBe('f')
      const returnedAt = Date.now()
      await cluster.clients.waitForMore(10, successor)
      expect(await old.loginsSince(returnedAt)).toBe(0)
      await expectKept(cluster, successor)
    })
  },
)
