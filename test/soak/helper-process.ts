/**
 * A process of our own that answers commands over IPC, one answer to each. Test support: what the fleets of clients and
 * the front of the soak have in common on the coordinator's side.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { reapOnExit } from '../support/reaper.ts'

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Whoever makes it calls `close`. */
export class HelperProcess {
  readonly #child: ChildProcess
  readonly #release: () => void
  readonly #waiting = new Map<number, Waiting>()
  #lastId = 0
  #failure: string | null = null

  /** `file`: next to this one. */
  constructor(file: string) {
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const { pid } = this.#child
    this.#release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    this.#child.on('message', (answer: { id: number; report: unknown; error: string | null }) => {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (answer.error === null) waiting?.resolve(answer.report)
      else waiting?.reject(new Error(`${file}: ${answer.error}`))
    })
    const fail = (what: string): void => {
      this.#failure = `${file} ${what}`
      this.#release()
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#failure))
      this.#waiting.clear()
    }
    this.#child.on('error', (error) => fail(error.message))
    this.#child.on('exit', (code, signal) => fail(`ended with ${signal ?? code}`))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Sends the command with a number, and gives the answer to it. Rejects when the process fails, or has ended. */
  async ask(command: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#failure !== null) throw new Error(this.#failure)
    this.#lastId += 1
    const id = this.#lastId
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ ...command, id })
    })
  }

  /** Ends the process. May be called again. */
  async close(): Promise<void> {
    if (this.#failure !== null) return
    const ended = once(this.#child, 'exit')
    if (this.#child.connected) this.#child.disconnect()
    else this.#child.kill('SIGKILL')
    await ended
  }
}
