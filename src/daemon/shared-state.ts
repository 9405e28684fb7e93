/**
 * Epoch and fences, where several processes of the proxy run at a time: one leads and writes the state file, and what it
 * has put to disk holds for the others as well. Composition layer; who leads is decided by whoever hands over.
 *
 * So nobody undoes what another has written, an operator's order to the leader reaches everybody, and "the epoch is on
 * disk before it is acted on" holds in each process: whoever follows acts on what the leader has on disk.
 */
import type { PersistentState, StateStore } from '../ports.ts'
import type { Epoch } from '../topology/topology-state.ts'
import type { StateFile } from './state-file.ts'

/**
 * `leads`    writes the file.
 * `follows`  never writes it; a save waits for the leader's word.
 * `orphaned` the leader is gone, and another may have been started: writes what raises the epoch, and nothing else.
 */
type Position = 'leads' | 'follows' | 'orphaned'

export interface SharedStateOptions {
  readonly file: StateFile
  readonly position: Exclude<Position, 'orphaned'>
  /** It is on disk by now, written by this process. */
  readonly onSaved: (state: PersistentState) => void
  /** Another process has put this to disk: it holds here as well. */
  readonly onTold: (state: PersistentState) => void
}

interface Waiting {
  readonly epoch: Epoch | null
  readonly resolve: () => void
}

export class SharedState implements StateStore {
  readonly #options: SharedStateOptions
  #position: Position
  #known: PersistentState = { epoch: null, fenced: [] }
  #waiting: readonly Waiting[] = []
  #lastWrite: Promise<unknown> = Promise.resolve()

  constructor(options: SharedStateOptions) {
    this.#options = options
    this.#position = options.position
  }

  /** What is on disk, as far as this process knows. */
  get known(): PersistentState {
    return this.#known
  }

  /** What was there at the start. */
  begin(state: PersistentState): void {
    this.#known = state
  }

  /** Resolves when this, or what the leader has in its place, is on disk. Rejects when it cannot be written. */
  async save(state: PersistentState): Promise<void> {
    if (this.#position === 'follows') {
      await new Promise<void>((resolve) => {
        this.#waiting = [...this.#waiting, { epoch: state.epoch, resolve }]
      })
      // Else this process has become the one that writes.
      if (this.#position === 'follows') return
    }
    const written = this.#position === 'orphaned' ? this.#raise(state) : this.#write(state)
    this.#lastWrite = written.catch(() => undefined)
    await written
  }

  /** The leader's word. */
  take(state: PersistentState): void {
    if (this.#position !== 'follows') return
    this.#known = state
    // First what holds, then whoever waited: he finds that his own word is out of date.
    this.#options.onTold(state)
    this.#release(({ epoch }) => isRaised(state.epoch, epoch))
  }

  /** This process writes from now on. */
  lead(): void {
    this.#moveTo('leads')
  }

  /** The leader is gone. */
  orphan(): void {
    if (this.#position === 'follows') this.#moveTo('orphaned')
  }

  /** Another process leads from now on. Resolves when nothing of ours is on its way to the disk, to what is there. */
  async follow(): Promise<PersistentState> {
    this.#position = 'follows'
    await this.#lastWrite
    return this.#known
  }

  #moveTo(position: Position): void {
    this.#position = position
    this.#release(() => true)
  }

  #release(isReady: (waiting: Waiting) => boolean): void {
    const ready = this.#waiting.filter(isReady)
    this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting))
    for (const { resolve } of ready) resolve()
  }

  async #write(state: PersistentState): Promise<void> {
    await this.#options.file.save(state)
    this.#known = state
    this.#options.onSaved(state)
  }

  async #raise(state: PersistentState): Promise<void> {
    const loaded = await this.#options.file.load()
    if (loaded.kind === 'loaded' && isRaised(loaded.state.epoch, state.epoch)) {
      this.#known = loaded.state
      this.#options.onTold(loaded.state)
      return
    }
    await this.#write({ epoch: state.epoch, fenced: loaded.kind === 'loaded' ? loaded.state.fenced : state.fenced })
  }
}

/** `found` is at least as high as `wanted`, of the same cluster. */
export function isRaised(found: Epoch | null, wanted: Epoch | null): boolean {
  if (wanted === null) return true
  if (found === null || found.systemIdentifier !== wanted.systemIdentifier) return false
  return found.timelineId >= wanted.timelineId
}
