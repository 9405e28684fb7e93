/**
 * What an operator does to a cluster besides promoting: synchronous replication while there is a standby, and the rows
 * of repmgr.nodes. Effect layer of the demo.
 */
import type { PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'

/**
 * Has each COMMIT on the primary wait for the standby's disk, and resolves when that holds. So an acknowledged write
 * survives the primary, and one that is lost is lost by the proxy. Take the setting out of a primary that is alone:
 * its commits would wait for ever.
 *
 * @see https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION
 */
export async function replicateSynchronously(
  cluster: PostgresCluster,
  primary: PostgresServer,
  standby: PostgresServer,
): Promise<void> {
  primary.configure({ synchronous_standby_names: standby.name })
  primary.reload()
  await primary.waitFor(`SELECT sync_state = 'sync' FROM pg_stat_replication WHERE application_name = $1`, {
    values: [standby.name],
  })
  // What was acknowledged before that reaches the standby here.
  await cluster.waitForReplay(primary, [standby])
}

/** Writes the row that `repmgr standby register --force` would write. */
export async function registerStandby(
  cluster: PostgresCluster,
  primary: PostgresServer,
  standby: PostgresServer,
): Promise<void> {
  const rows = await cluster.repmgrRows(primary)
  const upstreamNodeId = rows.find(({ nodeName }) => nodeName === primary.name)?.nodeId ?? null
  await cluster.setRepmgrRows(
    primary,
    rows.map((row) =>
      row.nodeName === standby.name ? { ...row, type: 'standby' as const, active: true, upstreamNodeId } : row,
    ),
  )
}
