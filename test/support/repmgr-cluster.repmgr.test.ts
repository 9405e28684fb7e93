import { existsSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from './condition.ts'
import { leftOut } from './left-out.ts'
import { isAlive } from './process-tree.ts'
import { repmgrAvailable } from './repmgr-binaries.ts'
import { createRepmgrCluster, type RepmgrCluster } from './repmgr-cluster.ts'

let cluster: RepmgrCluster

describe.skipIf(leftOut('repmgr', repmgrAvailable()))('a cluster with repmgr', () => {
  afterEach(async () => {
    const daemons = cluster.repmgrNodes.map((node) => node.daemonPid).filter((pid) => pid !== null)
    const folders = cluster.nodes.map((node) => node.folder)
    await cluster.destroy()
    expect(daemons.filter(isAlive)).toEqual([])
    expect(cluster.nodes.filter((node) => node.isRunning)).toEqual([])
    expect(folders.filter((folder) => existsSync(folder))).toEqual([])
  })

  it('of three nodes promotes node2 when the host of node1 dies, and takes node1 back by rejoin and switchover', async () => {
    cluster = await createRepmgrCluster({ nodes: 3 })
    await cluster.node('node1').killHost()
    await cluster.waitForPrimary('node2')
    await cluster.waitForStreaming('node3', 'node2')
    expect(await ownRow('node2')).toEqual({ type: 'primary', active: true })

    await cluster.rejoin('node1', 'node2')
    await cluster.waitForStreaming('node1', 'node2')
    await cluster.node('node1').startDaemon()

    await cluster.switchover('node1')
    expect(await cluster.node('node1').server.value('SELECT pg_is_in_recovery()')).toBe(false)
    expect(await cluster.node('node2').server.value('SELECT pg_is_in_recovery()')).toBe(true)
    expect(await cluster.clusterShow('node1')).toMatch(/node1 +\| primary \| \* running/)
  })

  it('of two nodes and a witness promotes node2; the witness is a foreign primary by its own account', async () => {
    cluster = await createRepmgrCluster({ nodes: 2, witness: true })
    const witness = cluster.node('witness').server
    const identifier = 'SELECT system_identifier FROM pg_control_system()'
    expect(await witness.value(identifier)).not.toBe(await cluster.node('node2').server.value(identifier))
    expect(await witness.value('SELECT pg_is_in_recovery()')).toBe(false)

    await cluster.node('node1').killHost()
    await cluster.waitForPrimary('node2')
    await waitFor('the row of node2', () => ownRow('node2'), { until: (row) => row?.['type'] === 'primary' })
  })

  it('leaves an old primary that returns a second primary', async () => {
    cluster = await createRepmgrCluster({ nodes: 2 })
    const node1 = cluster.node('node1')
    await node1.killHost()
    await cluster.waitForPrimary('node2')
    await node1.server.start()
    expect(await node1.server.value('SELECT pg_is_in_recovery()')).toBe(false)
    expect(await ownRow('node1')).toEqual({ type: 'primary', active: true })
  })
})

async function ownRow(name: string) {
  const node = cluster.node(name)
  const sql = 'SELECT type, active FROM repmgr.nodes WHERE node_id = $1'
  return (await node.server.query(sql, { database: 'repmgr', values: [node.nodeId] }))[0]
}
