/**
 * Folders in the temp directory: one per cluster, removed with it, and one cache kept between runs. Test support.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { giveToServerUser } from './server-user.ts'

/** A new empty folder that belongs to the server user and that nobody else may enter. The caller removes it. */
export function makeServerFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `pgha-${name}-`))
  giveToServerUser(folder)
  return folder
}

/**
 * A folder that is made once and kept between runs, such as an initialised data directory. `make` fills an empty
 * folder that belongs to the server user; it becomes visible under its name only when that succeeded, so a run that
 * is interrupted leaves nothing half-made behind and two runs at once do not disturb each other.
 */
export async function cachedFolder(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), name)
  if (existsAsFolder(folder)) return folder
  const draft = newDraft(folder)
  try {
    await make(draft)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    throw error
  }
  return publish(draft, folder)
}

/** `cachedFolder` for work that is synchronous. */
export function cachedFolderSync(name: string, make: (folder: string) => void): string {
  const folder = join(cacheFolder(), name)
  if (existsAsFolder(folder)) return folder
  const draft = newDraft(folder)
  try {
    make(draft)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    throw error
  }
  return publish(draft, folder)
}

/** Where `cachedFolder` keeps things. Removing it is always safe while no test runs. */
export function cacheFolder(): string {
  const uid = process.getuid?.() ?? 0
  const folder = join(tmpdir(), `pgha-test-cache-${uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const status = lstatSync(folder)
  // The name can be guessed, and what lies inside is executed: it must be ours alone.
  if (!status.isDirectory() || status.uid !== uid) throw new Error(`${folder} belongs to somebody else`)
  chmodSync(folder, 0o755)
  return folder
}

function newDraft(folder: string): string {
  const draft = `${folder}.draft-${randomBytes(4).toString('hex')}`
  mkdirSync(draft, { mode: 0o755 })
  giveToServerUser(draft)
  return draft
}

function publish(draft: string, folder: string): string {
  try {
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    // Another run was faster; what it made is as good.
    if (!existsAsFolder(folder)) throw error
  }
  return folder
}

function existsAsFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}
