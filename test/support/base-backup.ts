/**
 * Copies the data directory of a running server: a low-level base backup, without pg_basebackup, which the npm
 * binaries lack. Test support. The copy is written while the server works on; WAL from the start of the backup on is
 * left out, so the copy must begin as a standby that streams it.
 *
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
import { constants } from 'node:fs'
import { copyFile, lchown, mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresServer } from './postgres-server.ts'
import { serverUser } from './server-user.ts'
import { withClient } from './sql.ts'

/** Folders that are kept but whose content belongs to the running server alone. */
const EMPTIED_FOLDERS = new Set([
  'pg_wal',
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
])

const LEFT_OUT_FILES = new Set([
  'postmaster.pid',
  'postmaster.opts',
  'backup_label',
  'tablespace_map',
  'backup_manifest',
  'promote',
  'standby.signal',
  'recovery.signal',
])

/**
 * Makes `dataDirectory` (which must not exist) a copy of the server's. The server may be a primary or a standby.
 * Tablespaces are not supported: their symlinks would lead both servers to the same files.
 */
export async function copyRunningServer(from: PostgresServer, dataDirectory: string): Promise<void> {
  await withClient(from, { timeoutMs: 60_000 }, async (client) => {
    // The session that began the backup must be the one that ends it.
    await client.query("SELECT pg_backup_start('test harness', true)")
    const owned: string[] = []
    await copyFolder(from.dataDirectory, dataDirectory, '', owned)
    // Last, because on a standby no checkpoint record says where the backup ends: the control file does.
    await copyIfThere(join(from.dataDirectory, 'global/pg_control'), join(dataDirectory, 'global/pg_control'), owned)
    await mkdir(join(dataDirectory, 'pg_wal/archive_status'), { mode: 0o700 })
    owned.push(join(dataDirectory, 'pg_wal/archive_status'))
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)')
    const label = join(dataDirectory, 'backup_label')
    await writeFile(label, rows[0]?.labelfile ?? '', { mode: 0o600 })
    owned.push(label)
    await giveAll(owned)
  })
}

async function copyFolder(from: string, to: string, path: string, owned: string[]): Promise<void> {
  await mkdir(join(to, path), { mode: 0o700 })
  owned.push(join(to, path))
  if (EMPTIED_FOLDERS.has(path)) return
  const entries = await readdir(join(from, path), { withFileTypes: true }).catch(ignoreMissing([]))
  const copies = entries.map(async (entry) => {
    const below = join(path, entry.name)
    if (entry.isDirectory()) await copyFolder(from, to, below, owned)
    else if (entry.isSymbolicLink()) await copyLink(join(from, below), join(to, below), owned)
    else if (entry.isFile() && isWanted(below, entry.name)) await copyIfThere(join(from, below), join(to, below), owned)
  })
  await Promise.all(copies)
}

function isWanted(path: string, name: string): boolean {
  if (LEFT_OUT_FILES.has(path) || path === 'global/pg_control') return false
  return !name.startsWith('pgsql_tmp') && !name.startsWith('pg_internal.init')
}

async function copyIfThere(from: string, to: string, owned: string[]): Promise<void> {
  // A table may be dropped between the listing and the copy; WAL replay does the same to the copy.
  const copied = await copyFile(from, to, constants.COPYFILE_FICLONE).then(() => true, ignoreMissing(false))
  if (copied) owned.push(to)
}

async function copyLink(from: string, to: string, owned: string[]): Promise<void> {
  if (from.includes('/pg_tblspc/')) throw new Error(`cannot copy a server with a tablespace: ${from}`)
  await symlink(await readlink(from), to)
  owned.push(to)
}

async function giveAll(paths: readonly string[]): Promise<void> {
  const user = serverUser()
  if (user !== null) await Promise.all(paths.map((path) => lchown(path, user.uid, user.gid)))
}

function ignoreMissing<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return instead
    throw error
  }
}
