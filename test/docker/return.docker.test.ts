/**
 * The old primary comes back: by itself, again and again; rejoined; and as the target of a planned switchover. Clients
 * are at work throughout.
 */
import { describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { clusterStage } from './cluster-stage.ts'
import { engineAvailable } from './engine.ts'
import { expectKept } from './expectations.ts'

const stage = clusterStage()

describe.skipIf(leftOut('return of the old primary in containers', engineAvailable()))('the old primary', () => {
  it('is started again without a rejoin, twice, and no session ever reaches it', async () => {
    const cluster = await stage.open()
    const old = cluster.node('pg-0')
    await old.kill()
    const successor = await cluster.successorOf('pg-0')
    await cluster.clients.waitForMore(3, successor)
    await cluster.settle(successor, ['pg-0'])
    const returnedAt = Date.now()

    for (const _ of ['first', 'second']) {
      await old.start()
      await old.waitUntilUp()
      expect(await old.ask('SELECT pg_is_in_recovery()')).toBe('f')
      const { state, primary } = await cluster.proxy.waitForRole('pg-0', 'stale-primary')
      expect({ state, primary }).toEqual({ state: 'serving', primary: successor })
      await cluster.clients.waitForMore(10, successor)
      await old.kill()
      await cluster.proxy.waitForRole('pg-0', 'unreachable')
    }

    expect(await old.loginsSince(returnedAt)).toBe(0)
    await expectKept(cluster, successor)
  })

  it('is all that is left for a while: clients wait rather than write to it', async () => {
    const cluster = await stage.open({ nodes: 2 })
    const old = cluster.node('pg-0')
    await old.kill()
    const successor = await cluster.successorOf('pg-0')
    await cluster.clients.waitForMore(3, successor)
    await cluster.waitUntilRegistered(successor)
    await old.start()
    await cluster.proxy.waitForRole('pg-0', 'stale-primary')
    const returnedAt = Date.now()

    await cluster.node(successor).stop()
    const { primary, reason } = await cluster.proxy.waitForStatus(
      'sessions to be held',
      ({ sessions }) => sessions.held > 0,
    )
    expect({ primary, reason }).toEqual({
      primary: null,
      reason: expect.stringContaining('pg-0 claims the older timeline 1'),
    })
    await cluster.node(successor).start()
    await cluster.proxy.waitUntilServing(successor)

    await cluster.clients.waitForMore(3, successor)
    expect(await old.loginsSince(returnedAt)).toBe(0)
    await expectKept(cluster, successor)
  })

  it('is rejoined, with what it alone had written rewound away, and is a standby', async () => {
    const cluster = await stage.open()
    const old = cluster.node('pg-0')
    await old.kill()
    const successor = await cluster.successorOf('pg-0')
    await cluster.settle(successor, ['pg-0'])
    await old.start()
    await old.waitUntilUp()
    await old.ask(`INSERT INTO invoices (number, customer, amount_cents) VALUES ('astray', 'nobody', 1)`, 'einvoice')
    await cluster.proxy.waitForRole('pg-0', 'stale-primary')
    const errorCount = (await cluster.clients.ledger()).errors.length

    await old.recreate({ environment: { REPMGR_AUTO_REJOIN: 'yes' } })
    await old.waitUntilFollowing(successor)
    await cluster.proxy.waitForRole('pg-0', 'standby')

    expect(await old.ask(`SELECT count(*) FROM invoices WHERE number = 'astray'`, 'einvoice')).toBe('0')
    await cluster.clients.waitForMore(5, successor)
    expect((await cluster.clients.ledger()).errors).toHaveLength(errorCount)
    await expectKept(cluster, successor)
  })

  it('hands over in a planned switchover, and nothing at all is lost', async () => {
    const cluster = await stage.open()
    const [old, next, other] = [cluster.node('pg-0'), cluster.node('pg-1'), cluster.node('pg-2')]
    await next.exec('repmgr', 'service', 'pause')
    const since = Date.now()
    // What `repmgr standby switchover` does over SSH, step by step.
    await old.stop()
    await next.exec('repmgr', 'standby', 'promote')
    await other.exec('repmgr', 'standby', 'follow')
    await old.recreate({ environment: { REPMGR_AUTO_REJOIN: 'yes' } })
    await next.exec('repmgr', 'service', 'unpause')

    await cluster.settle('pg-1')
    await cluster.proxy.waitUntilServing('pg-1')
    await cluster.proxy.waitForRole('pg-0', 'standby')
    await cluster.clients.waitForMore(3, 'pg-1')
    await cluster.outage(since, 'pg-1')
    const { lostByReplication } = await expectKept(cluster, 'pg-1')
    expect(lostByReplication.size).toBe(0)
  })
})
