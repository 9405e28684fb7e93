/**
 * Where the monitoring role's password comes from, in this order: `password`, `password_file`, `PGPASSWORD`, `~/.pgpass`
 * (or `PGPASSFILE`). Reads files, caches nothing: ask before every dial, for the node that is dialled.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { NodeAddress } from '../topology/observation.ts'
import type { MonitorConfig } from './config.ts'
import { findPgpassPassword } from './pgpass.ts'
import { readBounded } from './read-bounded.ts'
import { readSecretFile } from './secret-file.ts'
import type { Environment } from './substitute.ts'

const PGPASS_BYTES_MAX = 1_048_576
const GROUP_AND_OTHERS = 0o077

/**
 * `none`: no source has one, which is right for `trust`, `peer` and certificates; `warning` says why ~/.pgpass was passed
 * over, `null` when it does not exist or has no line that fits. `failed`: a file that was configured cannot be used.
 * Neither `warning` nor `problem` holds a secret.
 */
export type MonitorPassword =
  | {
      readonly kind: 'found'
      readonly password: string
      readonly source: 'password' | 'password_file' | 'PGPASSWORD' | 'pgpass'
    }
  | { readonly kind: 'none'; readonly warning: string | null }
  | { readonly kind: 'failed'; readonly problem: string }

export interface MonitorPasswordRequest {
  readonly monitor: Pick<MonitorConfig, 'user' | 'password' | 'passwordFile' | 'database'>
  /** The node to be dialled: lines of ~/.pgpass go by host and port. */
  readonly address: NodeAddress
  readonly environment: Environment
}

/** Finds the password for one dial. Never rejects. */
export async function resolveMonitorPassword(request: MonitorPasswordRequest): Promise<MonitorPassword> {
  const { monitor, environment } = request
  if (monitor.password !== null) return { kind: 'found', password: monitor.password, source: 'password' }
  if (monitor.passwordFile !== null) {
    const file = await readSecretFile(monitor.passwordFile)
    if (!file.ok) return { kind: 'failed', problem: `monitor.password_file ${file.problem}` }
    return { kind: 'found', password: file.secret, source: 'password_file' }
  }
  const { PGPASSWORD: fromEnvironment = '' } = environment
  if (fromEnvironment !== '') return { kind: 'found', password: fromEnvironment, source: 'PGPASSWORD' }
  return readPgpass(request)
}

async function readPgpass({ monitor, address, environment }: MonitorPasswordRequest): Promise<MonitorPassword> {
  const { PGPASSFILE: named = '', HOME: home = homedir() } = environment
  const path = named === '' ? join(home, '.pgpass') : named
  const read = await readBounded(path, PGPASS_BYTES_MAX)
  if (!read.ok) {
    const isAbsent = read.code === 'ENOENT' || read.code === 'ENOTDIR'
    return { kind: 'none', warning: isAbsent ? null : `${path} is ignored: ${read.problem}` }
  }
  // As libpq: a password file that others may read is not used.
  if ((read.mode & GROUP_AND_OTHERS) !== 0) {
    return {
      kind: 'none',
      warning: `${path} is ignored: group or others have access to it; its mode must be 0600 or less`,
    }
  }
  const password = findPgpassPassword(new TextDecoder().decode(read.bytes), {
    ...address,
    database: monitor.database,
    user: monitor.user,
  })
  return password === null ? { kind: 'none', warning: null } : { kind: 'found', password, source: 'pgpass' }
}
