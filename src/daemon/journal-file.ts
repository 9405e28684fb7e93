/**
 * The failover journal on disk: `failovers.json` in `state_dir`, replaced atomically. Effect of the composition layer.
 * Unlike the state file nothing depends on it: whoever calls it goes on when it fails.
 */
import { readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { FAILOVER_RECORD_SCHEMA, type FailoverRecord } from '../observability/failover-record.ts'
import { openDraft } from './open-draft.ts'

const JOURNAL_FILE_NAME = 'failovers.json'

const JOURNAL_SCHEMA = z.object({ version: z.literal(1), failovers: z.array(FAILOVER_RECORD_SCHEMA) })

export type LoadedJournal =
  | { readonly kind: 'loaded'; readonly records: readonly FailoverRecord[] }
  | { readonly kind: 'absent' }
  /** `keptAs`: where it lies now; `null` when it could not be moved, and must not be written over. */
  | { readonly kind: 'unreadable'; readonly problem: string; readonly keptAs: string | null }

export class JournalFile {
  readonly path: string

  constructor(directory: string) {
    this.path = path.join(directory, JOURNAL_FILE_NAME)
  }

  /** Never rejects. A file that cannot be understood is moved aside, so that nothing in it is lost. */
  async load(): Promise<LoadedJournal> {
    try {
      const parsed = JOURNAL_SCHEMA.safeParse(JSON.parse(await readFile(this.path, 'utf8')))
      if (parsed.success) return { kind: 'loaded', records: parsed.data.failovers }
      return await this.#moveAside('it is not a failover journal of this version')
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ENOENT') return { kind: 'absent' }
      return await this.#moveAside(error instanceof SyntaxError ? 'it is not JSON' : message)
    }
  }

  /** Resolves when it is on disk; rejects with the error of the file system. One save at a time. */
  async save(records: readonly FailoverRecord[]): Promise<void> {
    const temporary = `${this.path}.new`
    const file = await openDraft(temporary)
    try {
      await file.writeFile(`${JSON.stringify({ version: 1, failovers: records })}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.path)
  }

  async #moveAside(problem: string): Promise<LoadedJournal> {
    const keptAs = `${this.path}.unreadable`
    try {
      await rename(this.path, keptAs)
      return { kind: 'unreadable', problem, keptAs }
    } catch {
      return { kind: 'unreadable', problem, keptAs: null }
    }
  }
}
