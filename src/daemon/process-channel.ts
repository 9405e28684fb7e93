/**
 * The line between a process and the one that takes over from it: Node's own channel between parent and child, with
 * messages that are checked. Composition layer; what they mean is not known here.
 */
import type { Serializable } from 'node:child_process'
import type { z } from 'zod'

/** A ChildProcess, or `process` in the child. */
export interface ChannelEnd {
  readonly connected: boolean
  readonly send?: ((message: Serializable, callback: (error: Error | null) => void) => boolean) | undefined
  readonly disconnect: () => void
  readonly on: (event: 'message' | 'disconnect', listener: (message: unknown) => void) => unknown
  readonly off: (event: 'message' | 'disconnect', listener: (message: unknown) => void) => unknown
}

export class ProcessChannel<Said extends Serializable, Heard> {
  readonly #end: ChannelEnd
  readonly #schema: z.ZodType<Heard>
  readonly #onMessage = (message: unknown): void => this.#take(message)
  /** Resolves when the other process has ended, or either side has closed. */
  readonly closed: Promise<void>
  #early: Heard[] = []
  #onHeard: ((message: Heard) => void) | null = null

  constructor(end: ChannelEnd, schema: z.ZodType<Heard>) {
    this.#end = end
    this.#schema = schema
    end.on('message', this.#onMessage)
    this.closed = new Promise((resolve) => {
      if (!end.connected) resolve()
      end.on('disconnect', () => resolve())
    })
  }

  /** What came before the first call is told then. */
  onHeard(handler: (message: Heard) => void): void {
    this.#onHeard = handler
    for (const message of this.#early.splice(0)) handler(message)
  }

  /** To somebody who is gone it means nothing. */
  tell(message: Said): void {
    if (this.#end.connected) this.#end.send?.(message, () => undefined)
  }

  /** What was told is still sent. Idempotent. */
  close(): void {
    this.#end.off('message', this.#onMessage)
    if (this.#end.connected) this.#end.disconnect()
  }

  #take(message: unknown): void {
    const parsed = this.#schema.safeParse(message)
    if (!parsed.success) return
    if (this.#onHeard === null) this.#early.push(parsed.data)
    else this.#onHeard(parsed.data)
  }
}
