/**
 * T3: from `pg_is_in_recovery()` = false on the promoted node to the first session that reaches it through the proxy,
 * at default settings. The primary is killed, the standby promoted while clients are held; then the roles change.
 */
import pg from 'pg'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { withClient } from '../support/sql.ts'
import { makeBenchFolder } from './bench-folder.ts'
import { BUILT } from './built.ts'

const HELD_CLIENTS = 10

export interface PromotionResult {
  /** Recovery over -> the first held client has its ReadyForQuery and its first answer. */
  readonly clientMs: readonly number[]
  /** Recovery over -> the proxy routed the first session, by its own log. */
  readonly routedMs: readonly number[]
  readonly refused: number
}

export async function benchPromotions(count: number, report: (line: string) => void): Promise<PromotionResult> {
  const cluster = await createCluster({ nodes: 2, repmgrTables: true, application: true })
  const folder = makeBenchFolder('promotions')
  const proxy = new ProxyProcess(await writeProxyConfig(folder.path, cluster, { log: { level: 'info' } }), BUILT)
  const clientMs: number[] = []
  const routedMs: number[] = []
  let refused = 0
  try {
    await proxy.waitUntilReady()
    for (let index = 0; index < count; index += 1) {
      const [oldName, newName] = index % 2 === 0 ? ['node1', 'node2'] : ['node2', 'node1']
      const [from, to] = [cluster.node(oldName), cluster.node(newName)]
      const result = await promoteOnce(cluster, proxy, from, to)
      clientMs.push(result.clientMs)
      routedMs.push(result.routedMs)
      refused += result.refused
      report(`promotion ${index + 1}: routed ${result.routedMs.toFixed(1)} ms, client ${result.clientMs.toFixed(1)} ms`)
      await cluster.reclone(from, to)
    }
    return { clientMs, routedMs, refused }
  } finally {
    await proxy.destroy()
    await cluster.destroy()
    folder.remove()
  }
}

async function promoteOnce(
  cluster: PostgresCluster,
  proxy: ProxyProcess,
  from: PostgresServer,
  to: PostgresServer,
): Promise<{ clientMs: number; routedMs: number; refused: number }> {
  const since = proxy.log.length
  await from.kill()
  await proxy.waitForLog('no primary', (record) => record.msg === 'decision' && record['primary'] === null, { since })
  let refused = 0
  const served = Array.from({ length: HELD_CLIENTS }, async () => {
    try {
      return await connectOnce(cluster, proxy)
    } catch {
      refused += 1
      return Number.POSITIVE_INFINITY
    }
  })
  const recoveryOver = watchRecovery(to)
  const [overAt] = await Promise.all([recoveryOver, to.promote()])
  const firstServedAt = Math.min(...(await Promise.all(served)))
  const routed = await proxy.waitForLog('the first session', (record) => isFirstRouted(record, to.name), { since })
  await cluster.recordPromotion(to)
  return {
    clientMs: firstServedAt - overAt,
    routedMs: Date.parse(String(routed['time'])) - overAt,
    refused,
  }
}

function isFirstRouted(record: Readonly<Record<string, unknown>>, node: string): boolean {
  return record['msg'] === 'first session routed to the new primary' && record['node'] === node
}

/** Wall time at which the node was first seen out of recovery; asked without a pause over one open connection. */
async function watchRecovery(node: PostgresServer): Promise<number> {
  return await withClient(node, { timeoutMs: 20_000 }, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ r: boolean }>('SELECT pg_is_in_recovery() AS r')
      if (rows[0]?.r === false) return now()
    }
  })
}

async function connectOnce(cluster: PostgresCluster, proxy: ProxyProcess): Promise<number> {
  const client = new pg.Client({ host: '127.0.0.1', port: proxy.config.primaryPort, ...cluster.application })
  await client.connect()
  await client.query('SELECT 1')
  const at = now()
  await client.end()
  return at
}

/** Wall time with a fraction, comparable with the proxy's log. */
function now(): number {
  return performance.timeOrigin + performance.now()
}
