/**
 * The proxy itself is in trouble: restarted in every phase of a failover, or cut off from one node and not from another.
 */
import { describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { clusterStage } from './cluster-stage.ts'
import { engineAvailable } from './engine.ts'
import { expectKept } from './expectations.ts'

const stage = clusterStage()

describe.skipIf(leftOut('a proxy in trouble in containers', engineAvailable()))('the proxy', () => {
  it('is restarted in each phase of a failover and forgets nothing', async () => {
    const cluster = await stage.open()
    const { proxy } = cluster
    const old = cluster.node('pg-0')

    await proxy.restart()
    await proxy.waitUntilServing('pg-0')
    await cluster.clients.waitForMore(3, 'pg-0')

    await old.kill()
    await proxy.restart('crashed')
    const successor = await cluster.successorOf('pg-0')
    await proxy.waitUntilServing(successor)
    await cluster.clients.waitForMore(3, successor)

    await proxy.restart()
    await proxy.waitUntilServing(successor)
    await cluster.clients.waitForMore(3, successor)

    await cluster.settle(successor, ['pg-0'])
    await old.start()
    await old.waitUntilUp()
    const logins = await old.loginCount()
    await proxy.waitForRole('pg-0', 'stale-primary')
    await proxy.restart('crashed')
    await proxy.waitForRole('pg-0', 'stale-primary')
    await proxy.waitUntilServing(successor)
    await cluster.clients.waitForMore(3, successor)

    await old.recreate({ environment: { REPMGR_AUTO_REJOIN: 'yes' } })
    await old.waitUntilFollowing(successor)
    await proxy.restart()
    await proxy.waitForRole('pg-0', 'standby')
    await cluster.clients.waitForMore(3, successor)

    expect(logins).toBeGreaterThan(0)
    expect(await old.loginCount()).toBe(0)
    await expectKept(cluster, successor)
  })

  it('remembers, when only the old primary is in sight after its own crash', async () => {
    const cluster = await stage.open({ nodes: 2 })
    const old = cluster.node('pg-0')
    await old.kill()
    await cluster.successorOf('pg-0')
    await cluster.proxy.waitUntilServing('pg-1')
    await cluster.clients.waitForMore(3, 'pg-1')
    await cluster.waitUntilRegistered('pg-1')
    await cluster.node('pg-1').stop()
    await old.start()
    await old.waitUntilUp()
    const returnedAt = Date.now()

    await cluster.proxy.restart('crashed')
    await cluster.proxy.waitForRole('pg-0', 'stale-primary')
    await cluster.proxy.waitForStatus('clients to be held', ({ sessions }) => sessions.held >= 12)
    expect((await cluster.proxy.status()).primary).toBeNull()
    await cluster.node('pg-1').start()

    await cluster.proxy.waitUntilServing('pg-1')
    await cluster.clients.waitForMore(3, 'pg-1')
    expect(await old.loginsSince(returnedAt)).toBe(0)
    await expectKept(cluster, 'pg-1')
  })

  it('is cut off from the primary alone: sessions stay, new ones wait, and all go on when it is back', async () => {
    const cluster = await stage.open({ apart: true, fixedAddresses: true })
    const primary = cluster.node('pg-0')
    await primary.disconnect(cluster.plan.front)
    await cluster.proxy.waitForStatus('doubt', ({ state }) => state === 'uncertain')
    const { sessions: before } = await cluster.proxy.status()
    await cluster.startClients({ waitForWrites: false })
    const { sessions } = await cluster.proxy.waitForStatus('more to be held', ({ sessions: { held } }) => held >= 12)
    expect(sessions.active).toBe(before.active)
    expect(await cluster.node('pg-1').ask('SELECT status FROM pg_stat_wal_receiver')).toBe('streaming')
    await primary.connect(cluster.plan.front)

    await cluster.proxy.waitUntilServing('pg-0')
    await cluster.clients.waitForMore(3, 'pg-0')
    expect((await cluster.clients.ledger()).errors).toEqual([])
    await expectKept(cluster, 'pg-0')
  })

  it('is cut off from the standby that is then promoted: clients wait, and find it when it is in sight', async () => {
    const cluster = await stage.open({ nodes: 2, apart: true, fixedAddresses: true })
    const standby = cluster.node('pg-1')
    await standby.disconnect(cluster.plan.front)
    await cluster.proxy.waitForRole('pg-1', 'unreachable')
    await cluster.clients.waitForMore(5, 'pg-0')
    await cluster.node('pg-0').kill()
    await standby.waitUntilPrimary()
    await cluster.proxy.waitForStatus('all clients to be held', ({ sessions }) => sessions.held >= 12)
    await standby.connect(cluster.plan.front)

    await cluster.proxy.waitUntilServing('pg-1')
    await cluster.clients.waitForMore(3, 'pg-1')
    await expectKept(cluster, 'pg-1')
  })

  it('sees both sides of a cluster that is parted: it follows the promotion, and what was written last is told', async () => {
    const cluster = await stage.open({ apart: true })
    const old = cluster.node('pg-0')
    await old.disconnect(cluster.plan.network)
    const successor = await cluster.successorOf('pg-0')
    await cluster.proxy.waitUntilServing(successor)
    expect(await old.ask('SELECT pg_is_in_recovery()')).toBe('f')
    await cluster.proxy.waitForRole('pg-0', 'stale-primary')
    const returnedAt = Date.now()
    await cluster.clients.waitForMore(10, successor)
    expect(await old.loginsSince(returnedAt)).toBe(0)

    const { lostByReplication } = await expectKept(cluster, successor)
    // Until repmgrd promoted, the old primary was the primary, and nobody copied what it was told.
    expect(lostByReplication.get(1)).toBeGreaterThan(0)
  })
})
