/**
 * An imitation of what repmgr keeps in the database, for clusters on machines without repmgr. Test support.
 * It has the table and the one function the probe reads, with repmgr 5.3's columns, and nothing that acts:
 * rows change only when a test changes them, where repmgr would do so about 1 s after a promotion.
 */
import type { PostgresServer } from './postgres-server.ts'

/** One row of `repmgr.nodes`. */
export interface RepmgrRow {
  readonly nodeId: number
  readonly upstreamNodeId: number | null
  readonly active: boolean
  readonly nodeName: string
  readonly type: 'primary' | 'standby' | 'witness'
  readonly conninfo: string
  /** Default 100. */
  readonly priority?: number
}

/** The database it lives in, as repmgr's documentation names it. */
export const REPMGR_DATABASE = 'repmgr'

/** Creates database, schema, table and `repmgr.get_local_node_id()` (always -1: "repmgrd has not run"). */
export async function createRepmgrImitation(primary: PostgresServer): Promise<void> {
  await primary.query(`CREATE DATABASE ${REPMGR_DATABASE}`)
  await primary.query(
    `CREATE SCHEMA repmgr;
     CREATE TABLE repmgr.nodes (
       node_id          INTEGER     PRIMARY KEY,
       upstream_node_id INTEGER     NULL REFERENCES repmgr.nodes (node_id) DEFERRABLE,
       active           BOOLEAN     NOT NULL DEFAULT TRUE,
       node_name        TEXT        NOT NULL,
       type             TEXT        NOT NULL CHECK (type IN ('primary', 'standby', 'witness', 'bdr')),
       location         TEXT        NOT NULL DEFAULT 'default',
       priority         INT         NOT NULL DEFAULT 100,
       conninfo         TEXT        NOT NULL,
       repluser         VARCHAR(63) NOT NULL,
       slot_name        TEXT        NULL,
       config_file      TEXT        NOT NULL
     );
     CREATE FUNCTION repmgr.get_local_node_id() RETURNS integer LANGUAGE sql AS 'SELECT -1'`,
    { database: REPMGR_DATABASE },
  )
}

/** Replaces all rows, in one transaction, on a server that takes writes. */
export async function writeRepmgrRows(server: PostgresServer, rows: readonly RepmgrRow[]): Promise<void> {
  const records = rows.map((row) => ({
    node_id: row.nodeId,
    upstream_node_id: row.upstreamNodeId,
    active: row.active,
    node_name: row.nodeName,
    type: row.type,
    location: 'default',
    priority: row.priority ?? 100,
    conninfo: row.conninfo,
    repluser: 'repmgr',
    config_file: `/etc/repmgr/${row.nodeName}.conf`,
  }))
  await server.query(
    `WITH gone AS (DELETE FROM repmgr.nodes WHERE node_id NOT IN (SELECT node_id FROM jsonb_populate_recordset(NULL::repmgr.nodes, $1)))
     INSERT INTO repmgr.nodes SELECT * FROM jsonb_populate_recordset(NULL::repmgr.nodes, $1)
     ON CONFLICT (node_id) DO UPDATE SET upstream_node_id = EXCLUDED.upstream_node_id, active = EXCLUDED.active,
       node_name = EXCLUDED.node_name, type = EXCLUDED.type, priority = EXCLUDED.priority, conninfo = EXCLUDED.conninfo`,
    { database: REPMGR_DATABASE, values: [JSON.stringify(records)] },
  )
}

/** The rows as one server has them, by node id. */
export async function readRepmgrRows(server: PostgresServer): Promise<readonly RepmgrRow[]> {
  const rows = await server.query(
    `SELECT node_id AS "nodeId", upstream_node_id AS "upstreamNodeId", active, node_name AS "nodeName", type, conninfo, priority
     FROM repmgr.nodes ORDER BY node_id`,
    { database: REPMGR_DATABASE },
  )
  return rows as unknown as readonly RepmgrRow[]
}

/** What repmgr makes of the rows when `promoted` takes over: the old primary inactive, the others below the new one. */
export function rowsAfterPromotion(rows: readonly RepmgrRow[], promoted: string): readonly RepmgrRow[] {
  const primary = rows.find((row) => row.nodeName === promoted)
  if (primary === undefined) throw new Error(`no row for ${promoted}`)
  return rows.map((row) => {
    if (row === primary) return { ...row, type: 'primary', upstreamNodeId: null, active: true }
    if (row.type === 'primary') return { ...row, active: false }
    return { ...row, upstreamNodeId: primary.nodeId }
  })
}
