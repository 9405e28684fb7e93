import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { leftOut } from './left-out.ts'
import { findBinaries } from './postgres-binaries.ts'
import { createCluster, type PostgresCluster } from './postgres-cluster.ts'
import { querySql } from './sql.ts'

const TIMELINE = 'SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)'

let cluster: PostgresCluster

afterEach(async () => {
  const folders = cluster.nodes.map((node) => node.folder)
  await cluster.destroy()
  expect(cluster.nodes.filter((node) => node.isRunning)).toEqual([])
  expect([...folders, dirname(folders[0] ?? '')].filter((folder) => existsSync(folder))).toEqual([])
})

for (const [kind, nodeCount] of [
  ['npm', 2],
  ['system', 3],
] as const) {
  const binaries = findBinaries(kind)
  describe.skipIf(leftOut(`clusters of ${kind} binaries`, 'missing' in binaries ? binaries.missing : true))(
    `a cluster of ${nodeCount} nodes of ${kind} binaries`,
    () => {
      if ('missing' in binaries) return

      it('fails over by hand, sees its old primary return as a second one, and takes it back as a clone', async () => {
        cluster = await createCluster({ nodes: nodeCount, binaries, repmgrTables: true, application: true })
        const node1 = cluster.node('node1')
        const node2 = cluster.node('node2')
        const { application } = cluster
        await querySql(node1, "INSERT INTO invoices (number, customer, amount_cents) VALUES ('1', 'a', 1)", application)
        await cluster.waitForReplay(node1)

        await node1.kill()
        await node2.promote()
        await cluster.recordPromotion(node2)
        expect(await node2.value(TIMELINE)).toBe('00000002')
        for (const standby of cluster.nodes.slice(2)) await cluster.follow(standby, node2)
        await cluster.waitForStreaming(node2)

        await node1.start()
        expect(await node1.value(TIMELINE)).toBe('00000001')
        expect(await node1.value('SELECT pg_is_in_recovery()')).toBe(false)
        expect((await cluster.repmgrRows(node1)).map((row) => row.type)[0]).toBe('primary')
        expect((await cluster.repmgrRows(node2)).find((row) => row.nodeName === 'node1')?.active).toBe(false)

        await cluster.reclone(node1, cluster.nodes.at(-1) ?? node2)
        await querySql(node2, "INSERT INTO invoices (number, customer, amount_cents) VALUES ('2', 'b', 2)", application)
        await cluster.waitForReplay(node2)
        expect(await node1.value('SELECT count(*)::int FROM invoices', { database: 'einvoice' })).toBe(2)
        expect(await node1.value('SELECT received_tli FROM pg_stat_wal_receiver')).toBe(2)
      })

      it('promotes by signal as by SQL', async () => {
        cluster = await createCluster({ nodes: 2, binaries })
        await cluster.node('node2').promote('signal')
        expect(await cluster.node('node2').value(TIMELINE)).toBe('00000002')
      })
    },
  )
}

const any = findBinaries('any')
describe.skipIf(leftOut('clusters', 'missing' in any ? any.missing : true))('a cluster', () => {
  it('checks the password of the monitoring role and lets it read what the probe needs', async () => {
    cluster = await createCluster({ nodes: 2, repmgrTables: true, replicationSlots: true })
    const [node1, node2] = cluster.nodes
    if (node1 === undefined || node2 === undefined) throw new Error('two nodes')
    const wrong = { ...cluster.monitor, password: 'wrong' }
    await expect(querySql(node1, 'SELECT 1', wrong)).rejects.toMatchObject({ code: '28P01' })
    const rows = await querySql(
      node2,
      'SELECT status, (SELECT count(*)::int FROM repmgr.nodes) AS nodes, repmgr.get_local_node_id() AS id FROM pg_stat_wal_receiver',
      cluster.monitor,
    )
    expect(rows).toEqual([{ status: 'streaming', nodes: 2, id: -1 }])
    expect(await node1.value('SELECT slot_name FROM pg_replication_slots WHERE active')).toBe('node2')
  })

  it.skipIf(leftOut('nodes on addresses of their own', process.platform === 'linux' || 'only Linux has 127.0.0.0/8'))(
    'can give each node its own address and all the same port',
    async () => {
      cluster = await createCluster({ nodes: 2, separateBy: 'hosts' })
      const [node1, node2] = cluster.nodes
      expect(node1?.port).toBe(node2?.port)
      expect(node1?.host).not.toBe(node2?.host)
    },
  )
})
