/**
 * The whole life of a cluster under real repmgr, with 200 clients at work throughout: repmgrd fails over, the old
 * primary comes back by itself, is rejoined, and gets its role back by a switchover.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { repmgrAvailable } from '../support/repmgr-binaries.ts'
import { createRepmgrCluster, type RepmgrCluster } from '../support/repmgr-cluster.ts'
import { RecoveryWatch } from './recovery-watch.ts'
import { loginCount, ProxyScene, tellOnFailure, trustApplication } from './scene.ts'
import { Crowd } from './writers.ts'

/** Many clients of a calm application: what is measured is the proxy and repmgr, not how two cores are shared. */
const LONG_COUNT = 100
const FRESH_COUNT = 100
const PACE_MS = 1_500

let cluster: RepmgrCluster | undefined
let scene: ProxyScene | undefined
let crowd: Crowd | undefined
const watches: RecoveryWatch[] = []

afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop()
  await crowd?.stop()
  await scene?.close()
  await cluster?.destroy()
})

describe.skipIf(leftOut('failover by repmgr', repmgrAvailable()))('three nodes with repmgr and repmgrd', () => {
  it('serve 200 clients through failover, return, rejoin and switchover: none refused, none read-only', async () => {
    cluster = await createRepmgrCluster({
      nodes: 3,
      application: true,
      settings: { max_connections: 300, log_connections: true },
    })
    trustApplication(cluster.nodes)
    scene = await ProxyScene.inFrontOf(cluster)
    tellOnFailure(() => scene)
    const [node1, node2] = [cluster.node('node1'), cluster.node('node2')]
    const [address1, address2] = [node1, node2].map(({ server }) => `${server.host}:${server.port}`)
    crowd = new Crowd(scene.target, { long: LONG_COUNT, fresh: FRESH_COUNT }, PACE_MS)
    await crowd.waitForMore(1, address1)

    // The host of the primary dies; repmgrd decides by itself.
    const failover = await RecoveryWatch.start(node2.server, scene)
    watches.push(failover)
    const killedAt = performance.now()
    await node1.killHost()
    await crowd.waitForMore(1, address2, 60_000)
    const first = Math.min(...crowd.acknowledged.filter(({ server }) => server === address2).map(({ at }) => at))
    process.stderr.write(
      `outage, failover: ${Math.round(first - killedAt)} ms from the kill to the first write on node2\n`,
    )
    expect(await failover.finish('failover')).toBeLessThan(1_000)

    // It is started again, and nobody has told it anything.
    const loginsBefore = loginCount(node1.server)
    await node1.server.start()
    const returned = await scene.waitForRole('node1', 'stale-primary')
    expect(returned).toMatchObject({ state: 'serving', primary: 'node2' })
    await crowd.waitForMore(2, address2)
    expect(loginCount(node1.server)).toBe(loginsBefore)

    // It is rejoined as a standby.
    const errorCount = crowd.errors.length
    await node1.server.stop()
    await cluster.rejoin('node1', 'node2')
    await cluster.waitForStreaming('node1', 'node2')
    await scene.waitForRole('node1', 'standby')
    await node1.startDaemon()
    expect(crowd.errors).toHaveLength(errorCount)
    expect(loginCount(node1.server)).toBe(loginsBefore)

    // And it gets its role back.
    const switchover = await RecoveryWatch.start(node1.server, scene)
    watches.push(switchover)
    const switchedAt = performance.now()
    await cluster.switchover('node1')
    await crowd.waitForMore(1, address1, 60_000)
    expect(await switchover.finish('switchover')).toBeLessThan(1_000)
    await scene.waitForRole('node2', 'standby')
    await crowd.stop()

    const between = crowd.acknowledged.filter(({ at }) => at > first && at < switchedAt)
    expect(new Set(between.map(({ server }) => server))).toEqual(new Set([address2]))
    expect(crowd.errors.filter(({ code }) => code === '25006')).toEqual([])
    expect(crowd.errors.filter(({ phase }) => phase === 'connect')).toEqual([])
    expect((await scene.status()).sessions.ended).toMatchObject({ 'hold-expired': 0, 'landed-on-standby': 0 })
  })
})
