/** A proxy's disk: takes its time, fails, and keeps what has reached it when the proxy dies. Test support. */
import type { PersistentState, StateStore } from '../../src/ports.ts'
import type { Random } from '../fuzz/random.ts'
import type { EventQueue } from './event-queue.ts'

export class SimDisk {
  /** What a new process would find; `null`: no file. */
  content: PersistentState | null
  isFailing = false
  latencyMs = 2
  #openCount = 0
  readonly #queue: EventQueue
  readonly #random: Random

  constructor(content: PersistentState | null, queue: EventQueue, random: Random) {
    this.content = content
    this.#queue = queue
    this.#random = random
  }

  /**
   * The disk as one process has it. `run` runs what comes back when that process is able to run anything; `isAlive` says
   * whether it still exists: a write that was under way when it died has reached the disk, or has not.
   */
  open(options: {
    readonly isAlive: () => boolean
    readonly run: (delayMs: number, callback: () => void) => void
    /** It is on disk. */
    readonly onWritten: (state: PersistentState) => void
    /** The process is about to learn so. */
    readonly onTold: (state: PersistentState) => void
  }): StateStore {
    this.#openCount += 1
    const opened = this.#openCount
    return {
      save: (state) =>
        new Promise((resolve, reject) => {
          const latencyMs = this.latencyMs + this.#random.below(3)
          const survives = this.#random.below(2) === 0
          this.#queue.after(latencyMs, () => {
            if (!options.isAlive()) {
              if (survives && !this.isFailing && opened === this.#openCount) this.content = state
              return
            }
            const isFailing = this.isFailing
            if (!isFailing) {
              this.content = state
              options.onWritten(state)
            }
            options.run(0, () => {
              if (isFailing) return reject(new Error('ENOSPC: no space left on device'))
              options.onTold(state)
              resolve()
            })
          })
        }),
    }
  }
}
