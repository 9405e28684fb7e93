/**
 * The SQL of the probe. Effect layer, but only text: monitor-session.ts sends it, parse-answer.ts and capabilities.ts
 * read the answers. Every function is qualified, so that nobody who may create functions in the monitoring database
 * can put a better match before the system's own. Every answer is one row of one JSON text.
 *
 * @see https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-RECOVERY-INFO
 * @see https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
 * @see https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-WAL-RECEIVER-VIEW
 */
import type { ProbeCapabilities } from './capabilities.ts'

/** What every probe calls, whatever the grants; anybody may, unless somebody revoked it. */
const NEEDED_FUNCTIONS = [
  'pg_is_in_recovery',
  'pg_current_wal_lsn',
  'pg_walfile_name',
  'pg_last_wal_receive_lsn',
  'pg_last_wal_replay_lsn',
  'pg_control_checkpoint',
  'pg_control_recovery',
  'pg_control_system',
  'pg_postmaster_start_time',
]

/**
 * First words of a connection: bounds for our own statements, then what the role may read.
 *
 * The statement limit ends a backend whose probe gave up, so that the probes of a stalled server do not pile up to
 * its max_connections. The lock limit is shorter: whoever locks `repmgr.nodes` must not make the node look silent.
 * Both in whole milliseconds, at least 1 (0 would mean no limit).
 */
export function learnStatement(limits: {
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
}): string {
  const milliseconds = (value: number) => Math.max(1, Math.floor(value))
  return `SET statement_timeout TO ${milliseconds(limits.statementTimeoutMs)};
SET lock_timeout TO ${milliseconds(limits.lockTimeoutMs)};
${LEARN_CAPABILITIES}`
}

/** Asks by oid and attribute number: the variants by name raise an error for what does not exist. */
const LEARN_CAPABILITIES = `SELECT pg_catalog.json_build_object(
  'role', current_user,
  'serverVersion', pg_catalog.current_setting('server_version_num'),
  'readsWalReceiver', (
    SELECT pg_catalog.pg_has_role(r.oid, 'USAGE') FROM pg_catalog.pg_roles r WHERE r.rolname = 'pg_read_all_stats'),
  'deniedFunctions', (
    SELECT pg_catalog.json_agg(
      'pg_catalog.' || p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' ORDER BY p.proname)
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'pg_catalog' AND p.proname IN (${NEEDED_FUNCTIONS.map((name) => `'${name}'`).join(', ')})
      AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')),
  'schemaUsage', (
    SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n WHERE n.nspname = 'repmgr'),
  'columns', (
    SELECT pg_catalog.json_object_agg(a.attname, pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'))
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname = 'repmgr' AND c.relname = 'nodes' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND a.attnum > 0 AND NOT a.attisdropped),
  'localNodeId', (
    SELECT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'repmgr' AND p.proname = 'get_local_node_id' AND p.pronargs = 0)
)::text`

/** What to read of repmgr besides the server itself; `null` reads nothing of it. */
export type RepmgrReading = { readonly conninfo: boolean; readonly localNodeId: boolean } | null

/** What the grants allow to read. */
export function repmgrReading(capabilities: ProbeCapabilities): RepmgrReading {
  return capabilities.repmgr.kind === 'readable' ? capabilities.repmgr : null
}

/**
 * The probe: everything in one round trip, right through a promotion without one error.
 *
 * The recovery flag only ever falls, so it is read once, first (`OFFSET 0` keeps the planner from copying the volatile
 * call into every place): where it was false the primary's functions work, and where it was true the standby's
 * functions still work on the primary it may have become since.
 *
 * A read-only default that was set for the monitoring role alone says nothing about the applications' sessions, and is
 * good hygiene: it does not count. pg_settings is read only when the answer hangs on it, for it costs a millisecond.
 */
export function askStatement(repmgr: RepmgrReading): string {
  const conninfo = repmgr?.conninfo === true ? 'n.conninfo' : 'NULL'
  const rows =
    repmgr === null
      ? 'NULL'
      : `(SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
    'nodeId', n.node_id, 'nodeName', n.node_name, 'type', n.type, 'active', n.active,
    'upstreamNodeId', n.upstream_node_id, 'conninfo', ${conninfo}) ORDER BY n.node_id), '[]') FROM repmgr.nodes n)`
  const localNodeId = repmgr?.localNodeId === true ? 'repmgr.get_local_node_id()' : 'NULL'
  return `SELECT pg_catalog.json_build_object(
  'inRecovery', x.r,
  'walFile', CASE WHEN x.r THEN NULL ELSE pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END,
  'writeLsn', CASE WHEN x.r THEN NULL ELSE pg_catalog.pg_current_wal_lsn()::text END,
  'receiveLsn', CASE WHEN x.r THEN pg_catalog.pg_last_wal_receive_lsn()::text END,
  'replayLsn', CASE WHEN x.r THEN pg_catalog.pg_last_wal_replay_lsn()::text END,
  'walReceiver', CASE WHEN x.r THEN (
    SELECT pg_catalog.json_build_object(
      'status', w.status, 'senderHost', w.sender_host, 'senderPort', w.sender_port,
      'receivedTimelineId', w.received_tli,
      'lastMessageAgeMs', 1000 * extract(epoch FROM pg_catalog.clock_timestamp() - w.last_msg_receipt_time))
    FROM pg_catalog.pg_stat_wal_receiver w) END,
  'checkpointTimelineId', (SELECT c.timeline_id FROM pg_catalog.pg_control_checkpoint() c),
  'minRecoveryTimelineId', (SELECT c.min_recovery_end_timeline FROM pg_catalog.pg_control_recovery() c),
  'systemIdentifier', (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() c),
  'postmasterStartedAt', pg_catalog.round(1000000 * extract(epoch FROM pg_catalog.pg_postmaster_start_time()))::bigint::text,
  'defaultReadOnly', CASE WHEN pg_catalog.current_setting('default_transaction_read_only') = 'on' THEN (
    SELECT s.source NOT IN ('user', 'database user', 'client', 'session') FROM pg_catalog.pg_settings s
    WHERE s.name = 'default_transaction_read_only') ELSE false END,
  'repmgrRows', ${rows},
  'localNodeId', ${localNodeId}
)::text
FROM (SELECT pg_catalog.pg_is_in_recovery() AS r OFFSET 0) AS x`
}
