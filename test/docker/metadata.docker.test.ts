/**
 * What the nodes say of themselves is late, stale or somebody else's: rows after a promotion by hand, a witness that
 * knows better than the only claimant, an address that another container has been given.
 */
import { describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { clusterStage } from './cluster-stage.ts'
import { docker, engineAvailable } from './engine.ts'
import { expectKept } from './expectations.ts'

const stage = clusterStage()

describe.skipIf(leftOut('misleading metadata in containers', engineAvailable()))('the proxy', () => {
  it('follows a promotion by hand that repmgr.nodes never tells of, and stays when the old primary returns', async () => {
    const cluster = await stage.open()
    const [old, next] = [cluster.node('pg-0'), cluster.node('pg-1')]
    await next.exec('repmgr', 'service', 'pause')
    await old.kill()
    await next.ask('SELECT pg_promote()')
    await cluster.proxy.waitUntilServing('pg-1')
    await cluster.clients.waitForMore(3, 'pg-1')
    const rows = `SELECT string_agg(node_name || ' ' || type, ', ' ORDER BY node_id) FROM repmgr.nodes WHERE type = 'primary'`
    expect(await next.ask(rows)).toBe('pg-0 primary')

    await old.start()
    await old.waitUntilUp()
    await cluster.proxy.waitForRole('pg-0', 'stale-primary')
    expect(await old.ask(rows)).toBe('pg-0 primary')
    const returnedAt = Date.now()
    await cluster.clients.waitForMore(10, 'pg-1')
    expect(await old.loginsSince(returnedAt)).toBe(0)
    expect((await cluster.proxy.status()).primary).toBe('pg-1')
    await expectKept(cluster, 'pg-1')
  })

  it('without memory believes a witness that names another primary rather than the only claimant', async () => {
    const cluster = await stage.open({ nodes: 2, witness: true, withProxy: false })
    const [old, witness] = [cluster.node('pg-0'), cluster.node('pg-witness')]
    await old.kill()
    await cluster.successorOf('pg-0')
    await cluster.waitUntilRegistered('pg-1')
    await cluster.waitUntilRowsSay(witness, 'pg-1')
    await cluster.node('pg-1').stop()
    await old.start()
    await old.waitUntilUp()
    expect(await old.ask('SELECT pg_is_in_recovery()')).toBe('f')

    await cluster.startProxy()
    const { state, primary, reason } = await cluster.proxy.waitForStatus('a decision on every node', ({ nodes }) =>
      ['pg-0', 'pg-witness'].every((name) => nodes.some((node) => node.name === name && node.lastSeenMs !== null)),
    )
    expect({ state, primary }).toEqual({ state: 'no-primary', primary: null })
    expect(reason).toContain('pg-witness, a witness, names pg-1 as the primary')
    const returnedAt = Date.now()
    await cluster.startClients({ waitForWrites: false })
    await cluster.proxy.waitForStatus('clients to be held', ({ sessions }) => sessions.held >= 12)
    await cluster.node('pg-1').start()

    await cluster.proxy.waitUntilServing('pg-1')
    await cluster.clients.waitForMore(3, 'pg-1')
    expect(await old.loginsSince(returnedAt)).toBe(0)
    await expectKept(cluster, 'pg-1')
  })

  it('is not taken in by a container that has been given the address of the dead primary', async () => {
    const cluster = await stage.open({ fixedAddresses: true })
    const [old, standby] = [cluster.node('pg-0'), cluster.node('pg-2')]
    const address = await old.address()
    await old.kill()
    const successor = await cluster.successorOf('pg-0')
    await cluster.clients.waitForMore(3, successor)
    await cluster.settle(successor, ['pg-0'])
    const reader = successor === 'pg-2' ? cluster.node('pg-1') : standby
    await docker('rm', '--force', old.id)

    // First a standby of the same cluster has it, then a primary of another.
    await reader.recreate({ endpoints: [{ network: cluster.plan.network, alias: reader.name, address }] })
    await reader.waitUntilFollowing(successor)
    await cluster.clients.waitForMore(10, successor)
    expect(await reader.loginCount()).toBe(0)
    await docker('rm', '--force', reader.id)
    const stranger = await cluster.startStranger({ alias: 'pg-0', address })
    await cluster.proxy.waitForRole('pg-0', 'foreign')
    await cluster.clients.waitForMore(10, successor)

    expect(await stranger.loginCount()).toBe(0)
    expect((await cluster.proxy.status()).primary).toBe(successor)
    await expectKept(cluster, successor)
  })
})
