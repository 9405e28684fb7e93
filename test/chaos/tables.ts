/**
 * What a chaos run asks PostgreSQL: the table that clients write, each node's own truth, and in the end the rows and the
 * timelines of the last primary. SQL text and the reading of its rows; who connects is the caller's. Test support.
 */
import { z } from 'zod'
import { type Lsn, parseLsn } from '../../src/topology/lsn.ts'

/** Without a unique key: a row that is there twice must be seen, not prevented. */
export const CHAOS_TABLES_SQL = `
  CREATE TABLE chaos_writes (client text NOT NULL, n bigint NOT NULL, nonce text NOT NULL);
  CREATE INDEX ON chaos_writes (client, n)`

/** On a primary the timeline it writes, else the one it receives. In the database `repmgr`, as a superuser. */
export const TRUTH_SQL = `
  SELECT r.recovering AS "inRecovery",
    CASE WHEN r.recovering THEN (SELECT received_tli FROM pg_stat_wal_receiver)
      ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS "timelineId",
    (SELECT bool_or(type = 'primary' AND active) FROM repmgr.nodes WHERE node_name = $1) AS "confirmed",
    extract(epoch FROM pg_postmaster_start_time())::text AS "startedAt"
  FROM (SELECT pg_is_in_recovery() AS recovering OFFSET 0) r`

const TRUTH_ROW = z.object({
  inRecovery: z.boolean(),
  timelineId: z.int().nullable(),
  confirmed: z.boolean().nullable(),
  startedAt: z.string(),
})

/** The row of TRUTH_SQL ($1: the node's name) as fields of a `truth` event. Throws when it is none. */
export function readTruthRow(row: unknown): z.infer<typeof TRUTH_ROW> {
  return TRUTH_ROW.parse(row)
}

/** A row of `chaos_writes`. */
export interface FinalRow {
  readonly client: string
  readonly n: number
  readonly nonce: string
}

/** Where a timeline ended and the next one of the last primary's own line began. */
export interface Fork {
  readonly timelineId: number
  readonly endLsn: Lsn
}

/** What there is in the end, when the clients have stopped. */
export interface FinalState {
  readonly node: string
  readonly timelineId: number
  /** Its ancestors, oldest first. */
  readonly forks: readonly Fork[]
  readonly rows: readonly FinalRow[]
}

type Query = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>

const FINAL_ROWS_MAX = 5_000_000

/** `query` runs in the database of the table, as a superuser, on the last primary. Rejects when it is none. */
export async function readFinalState(node: string, query: Query): Promise<FinalState> {
  const [position] = await query(
    `SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline`,
  )
  const timelineId = Number(position?.['timeline'])
  const name = timelineId.toString(16).padStart(8, '0').toUpperCase()
  const [file] = await query(`SELECT pg_read_file('pg_wal/${name}.history', 0, 1000000, true) AS text`)
  const rows = await query(`SELECT client, n, nonce FROM chaos_writes LIMIT ${FINAL_ROWS_MAX}`)
  return {
    node,
    timelineId,
    forks: parseTimelineHistory(String(file?.['text'] ?? '')),
    rows: rows.map(({ client, n, nonce }) => ({ client: String(client), n: Number(n), nonce: String(nonce) })),
  }
}

/**
 * Lines of a timeline history file: `1<TAB>0/3000148<TAB>no recovery target specified`.
 *
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
export function parseTimelineHistory(text: string): readonly Fork[] {
  return text.split('\n').flatMap((line) => {
    const [timeline = '', lsn = ''] = line.trim().split(/\s+/)
    const endLsn = parseLsn(lsn)
    return /^\d+$/.test(timeline) && endLsn !== null ? [{ timelineId: Number(timeline), endLsn }] : []
  })
}
