/**
 * Finds repmgr next to the system's PostgreSQL. Test support.
 */
import { existsSync, globSync } from 'node:fs'
import { findBinaries, findTool, type PostgresBinaries } from './postgres-binaries.ts'

/** `true`, or in one sentence why the tests that need repmgr cannot run here. */
export function repmgrAvailable(): true | string {
  const binaries = findBinaries('system')
  if ('missing' in binaries) return binaries.missing
  const missing = ['repmgr', 'repmgrd', 'pg_basebackup', 'pg_rewind', 'pg_ctl'].filter(
    (name) => findTool(binaries, name) === null,
  )
  if (missing.length > 0) return `PostgreSQL ${binaries.version} comes without ${missing.join(', ')}`
  if (!hasExtension(binaries)) return `PostgreSQL ${binaries.version} comes without the extension repmgr`
  return true
}

/** The system's PostgreSQL with repmgr; throws with the reason when there is none. */
export function requireRepmgrBinaries(): PostgresBinaries {
  const available = repmgrAvailable()
  const binaries = findBinaries('system')
  if (available !== true || 'missing' in binaries) throw new Error(`no repmgr: ${String(available)}`)
  return binaries
}

function hasExtension(binaries: PostgresBinaries): boolean {
  const patterns = [
    `/usr/share/postgresql/${binaries.major}/extension/repmgr.control`,
    `${binaries.folder}/../share/extension/repmgr.control`,
    `${binaries.folder}/../share/postgresql*/extension/repmgr.control`,
  ]
  return patterns.flatMap((pattern) => globSync(pattern)).some((path) => existsSync(path))
}
