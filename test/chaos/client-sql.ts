/**
 * What chaos clients ask a server, and how they read its answers: each says the nonce of its question again, and what the
 * server is that answered. Test support, pure.
 */
import type { AnsweredEvent, ServerView } from './history.ts'

/** The flag is looked at once, and only ever falls: a promotion in between makes no error. */
const VIEW = `host(inet_server_addr()) AS address, pg_backend_pid() AS pid, r.recovering AS "inRecovery",
  CASE WHEN r.recovering THEN NULL
    ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS "timelineId",
  extract(epoch FROM pg_postmaster_start_time())::text AS "startedAt",
  (CASE WHEN r.recovering THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text AS lsn`
const RECOVERING = '(SELECT pg_is_in_recovery() AS recovering OFFSET 0) r'

/** $1 nonce, $2 whose rows. */
export const READ_SQL = `SELECT $1::text AS nonce, ${VIEW},
  (SELECT max(n) FROM chaos_writes WHERE client = $2)::int AS seen FROM ${RECOVERING}`

/** $1 client, $2 n, $3 nonce. `seen` is as of before this statement. The nonce comes back from the row. */
export const WRITE_SQL = `WITH written AS (INSERT INTO chaos_writes (client, n, nonce) VALUES ($1, $2, $3) RETURNING nonce)
  SELECT w.nonce, ${VIEW}, (SELECT max(n) FROM chaos_writes WHERE client = $1)::int AS seen
  FROM written w, ${RECOVERING}`

/** A row of either statement. */
export interface AnswerRow {
  readonly nonce: string
  readonly address: string
  readonly pid: number
  readonly inRecovery: boolean
  readonly timelineId: number | null
  readonly startedAt: string
  readonly lsn: string | null
  readonly seen: number | null
}

/** The part of an `answered` event that comes from the server. */
export type Answer = Pick<AnsweredEvent, 'echoes' | 'view' | 'lsn' | 'seen' | 'again'>

type Nodes = readonly { readonly name: string; readonly address: string }[]

/** The rows of all statements of an operation: one, or the three of `twice`. */
export function toAnswer(rows: readonly AnswerRow[], nodes: Nodes): Answer {
  const [first] = rows
  if (first === undefined) throw new Error('no rows')
  const last = rows.length === 3 ? rows[2] : undefined
  return {
    echoes: rows.map(({ nonce }) => nonce),
    view: toView(first, nodes),
    lsn: first.lsn,
    seen: first.seen,
    again: last === undefined ? null : { view: toView(last, nodes), seen: last.seen },
  }
}

/** Each statement answers with one row. */
export function onlyRow(rows: readonly AnswerRow[]): AnswerRow {
  const [row] = rows
  if (row === undefined || rows.length !== 1) throw new Error(`${rows.length} rows instead of one`)
  return row
}

function toView({ address, pid, inRecovery, timelineId, startedAt }: AnswerRow, nodes: Nodes): ServerView {
  const node = nodes.find((each) => each.address === address)?.name ?? address
  return { node, pid, inRecovery, timelineId, startedAt }
}
