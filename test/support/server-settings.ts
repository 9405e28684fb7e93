/**
 * What goes into the postgresql.conf of a server under test, and how it is written. Test support.
 */

/** PostgreSQL settings by name, as one would write them after `SET`, without quotes. */
export type ServerSettings = Readonly<Record<string, string | number | boolean>>

/**
 * Fast where nothing can be lost but test data, otherwise as a server of a replicated cluster is set up.
 * `fsync: true` brings durability back.
 */
export const DEFAULT_SETTINGS: ServerSettings = {
  max_connections: 60,
  shared_buffers: '16MB',
  fsync: false,
  full_page_writes: true,
  wal_level: 'replica',
  wal_log_hints: true,
  hot_standby: true,
  max_wal_senders: 16,
  max_replication_slots: 16,
  // Ample, so that a standby that was away for a whole test still finds its WAL.
  wal_keep_size: '1GB',
  // The default of 5 s is all that a standby waits for after its upstream changed.
  wal_retrieve_retry_interval: '200ms',
  // Files in the data directory rather than in /dev/shm, where a killed server would leave them.
  dynamic_shared_memory_type: 'mmap',
  jit: false,
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] ',
  log_min_messages: 'info',
}

/** The lines of a postgresql.conf. */
export function formatSettings(settings: ServerSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${formatValue(value)}\n`)
    .join('')
}

/** Quotes a text for a configuration file or an SQL literal. */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function formatValue(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return typeof value === 'number' ? String(value) : quoteLiteral(value)
}
