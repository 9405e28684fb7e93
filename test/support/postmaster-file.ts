/**
 * Reads `postmaster.pid`, by which a running server says who it is and how far its start has come. Test support.
 *
 * @see https://www.postgresql.org/docs/current/storage-file-layout.html#PGDATA-CONTENTS-TABLE
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive } from './process-tree.ts'

/** The file's content. A SIGKILLed server leaves it behind: ask `isAlive(pid)`. */
export interface PostmasterFile {
  readonly pid: number
  /** System V shared memory segment that guards the data directory; `null` until it is made. */
  readonly sharedMemoryId: number | null
  /** `starting`, `stopping`, `ready`, `standby` (in recovery, takes no sessions yet); empty at first. */
  readonly status: string
}

/** `null` when there is no such file or it is still empty: the server stopped in order, or has not begun. */
export function readPostmasterFile(dataDirectory: string): PostmasterFile | null {
  let lines: readonly string[]
  try {
    lines = readFileSync(join(dataDirectory, 'postmaster.pid'), 'utf8').split('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  const pid = Math.abs(Number(lines[0]))
  if (!Number.isInteger(pid) || pid === 0) return null
  const sharedMemoryId = lines[6]?.trim().split(/\s+/)[1]
  return {
    pid,
    sharedMemoryId: sharedMemoryId === undefined ? null : Number(sharedMemoryId),
    status: lines[7]?.trim() ?? '',
  }
}

/** The postmaster's process id when it is alive (running or frozen), else `null`. */
export function livePostmaster(dataDirectory: string): number | null {
  const file = readPostmasterFile(dataDirectory)
  return file !== null && isAlive(file.pid) ? file.pid : null
}

/** Removes the segment that a killed server left; without this each kill would cost the machine one for good. */
export function removeSharedMemory(file: PostmasterFile): void {
  if (file.sharedMemoryId === null || isAlive(file.pid)) return
  try {
    execFileSync('ipcrm', ['-m', String(file.sharedMemoryId)], { stdio: 'ignore' })
  } catch {
    // Gone already (the server was started again and stopped), or no ipcrm here: a leak of 56 bytes.
  }
}
