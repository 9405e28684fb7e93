/**
 * Two nodes and a witness under real repmgr. The witness is a primary by its own account and of another cluster by its
 * system identifier: it votes and never gets a session, also when the monitoring role may not read what it is.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { repmgrAvailable } from '../support/repmgr-binaries.ts'
import { createRepmgrCluster, type RepmgrCluster } from '../support/repmgr-cluster.ts'
import { RecoveryWatch } from './recovery-watch.ts'
import { loginCount, ProxyScene, tellOnFailure, trustApplication } from './scene.ts'
import { Crowd } from './writers.ts'

let cluster: RepmgrCluster
let scene: ProxyScene | undefined
let crowd: Crowd | undefined
const watches: RecoveryWatch[] = []

afterEach(async () => {
  for (const watch of watches.splice(0)) await watch.stop()
  await crowd?.stop()
  crowd = undefined
  await scene?.close()
  scene = undefined
  await cluster.destroy()
})

describe.skipIf(leftOut('failover by repmgr with a witness', repmgrAvailable()))('two nodes and a witness', () => {
  for (const [grants, mayRead] of [
    ['with its grants', true],
    ['without the grants of the monitoring role on the witness', false],
  ] as const) {
    it(`are served through a failover ${grants}, and the witness gets no session`, async () => {
      cluster = await createRepmgrCluster({
        nodes: 2,
        witness: true,
        application: true,
        settings: { max_connections: 300, log_connections: true },
      })
      trustApplication(cluster.nodes)
      const witness = cluster.node('witness').server
      if (!mayRead) await witness.query('REVOKE ALL ON SCHEMA repmgr FROM pgha', { database: 'repmgr' })
      scene = await ProxyScene.inFrontOf(cluster)
      tellOnFailure(() => scene)
      const [node1, node2] = [cluster.node('node1'), cluster.node('node2')]
      const [address1, address2] = [node1, node2].map(({ server }) => `${server.host}:${server.port}`)
      crowd = new Crowd(scene.target, { long: 100, fresh: 100 }, 1_500)
      await crowd.waitForMore(1, address1)

      const watch = await RecoveryWatch.start(node2.server, scene)
      watches.push(watch)
      await node1.killHost()
      await crowd.waitForMore(1, address2, 60_000)
      expect(await watch.finish(`witness, ${grants}`)).toBeLessThan(1_000)
      await node1.server.start()
      await scene.waitForRole('node1', 'stale-primary')
      await crowd.waitForMore(1, address2)
      await crowd.stop()

      const { nodes, warnings } = await scene.status()
      expect(nodes.find(({ name }) => name === 'witness')).toMatchObject({ role: 'witness', sessions: 0 })
      expect(warnings.filter((text) => text.startsWith('witness') && text.includes('GRANT'))).toHaveLength(
        mayRead ? 0 : 1,
      )
      expect(loginCount(witness)).toBe(0)
      expect(crowd.errors.filter(({ code }) => code === '25006')).toEqual([])
      expect(crowd.errors.filter(({ phase }) => phase === 'connect')).toEqual([])
    })
  }
})
