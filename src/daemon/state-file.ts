/**
 * The state file: `state.json` in `state_dir`, with the epoch of the last accepted primary and the operators' fences.
 * Replaced atomically and synced to disk, so that a crash leaves the old or the new one and never half of either.
 * Effect layer. One process writes it, which one is shared-state.ts's to know; saves are made one after another.
 */
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import path from 'node:path'
import process from 'node:process'
import { z } from 'zod'
import type { PersistentState, StateStore } from '../ports.ts'
import { openDraft } from './open-draft.ts'

const STATE_FILE_NAME = 'state.json'

/** As it is on disk, and as processes tell it each other. */
export const PERSISTENT_STATE_SCHEMA = z.object({
  epoch: z
    .object({
      systemIdentifier: z.string().regex(/^\d{1,20}$/),
      timelineId: z.int().min(1).max(0xffff_ffff),
      node: z.string().min(1),
      at: z.string(),
    })
    .nullable(),
  fenced: z.array(z.string()).readonly(),
})

const STATE_SCHEMA = PERSISTENT_STATE_SCHEMA.extend({ version: z.literal(1) })

export type LoadedState =
  | { readonly kind: 'loaded'; readonly state: PersistentState }
  /** There is no file yet: the first start. */
  | { readonly kind: 'absent' }
  /** Start cold, and say so. */
  | { readonly kind: 'unreadable'; readonly problem: string }

const EMPTY: PersistentState = { epoch: null, fenced: [] }

export class StateFile implements StateStore {
  readonly path: string
  readonly #directory: string
  #last: Promise<void> = Promise.resolve()

  constructor(directory: string) {
    this.#directory = directory
    this.path = path.join(directory, STATE_FILE_NAME)
  }

  async load(): Promise<LoadedState> {
    let text: string
    try {
      text = await readFile(this.path, 'utf8')
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return code === 'ENOENT' ? { kind: 'absent' } : { kind: 'unreadable', problem: message }
    }
    const parsed = STATE_SCHEMA.safeParse(parseJson(text))
    if (parsed.success) return { kind: 'loaded', state: { epoch: parsed.data.epoch, fenced: parsed.data.fenced } }
    return { kind: 'unreadable', problem: 'it is not a state file of this version' }
  }

  /**
   * Makes the directory if it is missing and writes what was there before, or an empty state: whether the state can be
   * kept is known at the start, not in the middle of a failover. Rejects with the error of the file system. `isShared`:
   * another process may write it at the same time, so that the file itself is left alone.
   */
  async proveWritable(loaded: LoadedState, { isShared = false } = {}): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o750 })
    // An unreadable file stays for the operator to look at until there is something better to put in its place.
    if (loaded.kind === 'unreadable') await this.#writeTemporary(EMPTY)
    else if (isShared) await unlink(await this.#writeTemporary(EMPTY))
    else await this.save(loaded.kind === 'loaded' ? loaded.state : EMPTY)
  }

  save(state: PersistentState): Promise<void> {
    const saved = this.#last.then(() => this.#replace(state))
    this.#last = saved.catch(() => undefined)
    return saved
  }

  async #replace(state: PersistentState): Promise<void> {
    await rename(await this.#writeTemporary(state), this.path)
    // The rename itself is on disk only when the directory is.
    const directory = await open(this.#directory, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  }

  async #writeTemporary(state: PersistentState): Promise<string> {
    // Another process may be about to write its own.
    const temporary = `${this.path}.${process.pid}.new`
    const file = await openDraft(temporary)
    try {
      await file.writeFile(`${JSON.stringify({ version: 1, ...state }, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    return temporary
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
