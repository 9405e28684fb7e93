/**
 * The process that this one takes over from, as it is seen from here: what it has left, and what it says. Composition layer.
 */

import type { PersistentState } from '../ports.ts'
import {
  type DrainingProcess,
  TO_SUCCESSOR_SCHEMA,
  type ToPredecessor,
  type ToSuccessor,
} from './hand-over-messages.ts'
import type { Inheritance } from './inheritance.ts'
import { takeInheritance } from './inheritance.ts'
import { type ChannelEnd, ProcessChannel } from './process-channel.ts'

export class Predecessor {
  readonly inheritance: Inheritance
  /** Resolves when the listeners are to be opened: it says so, or is gone. */
  readonly turn: Promise<void>
  /** Resolves when it accepts and writes nothing more. */
  readonly handedOver: Promise<void>
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  readonly #channel: ProcessChannel<ToPredecessor, ToSuccessor>
  readonly #myTurn = Promise.withResolvers<void>()
  readonly #itsEnd = Promise.withResolvers<void>()
  #onState: (state: PersistentState) => void = () => undefined
  #draining: readonly DrainingProcess[] = []

  constructor(inheritance: Inheritance, end: ChannelEnd) {
    this.inheritance = inheritance
    this.#channel = new ProcessChannel<ToPredecessor, ToSuccessor>(end, TO_SUCCESSOR_SCHEMA)
    this.ended = this.#channel.closed
    this.turn = Promise.race([this.#myTurn.promise, this.ended])
    this.handedOver = Promise.race([this.#itsEnd.promise, this.ended])
    void this.ended.then(() => {
      this.#draining = []
    })
  }

  /** Processes that have handed over and still have sessions, the latest first. */
  get draining(): readonly DrainingProcess[] {
    return this.#draining
  }

  /** Listens from now on; what it said before is told at once. To be called once. */
  listen(onState: (state: PersistentState) => void): void {
    this.#onState = onState
    this.#channel.onHeard((message) => this.#hear(message))
  }

  tell(message: ToPredecessor): void {
    this.#channel.tell(message)
  }

  /** Nothing keeps this process from ending. Idempotent. */
  close(): void {
    this.#channel.close()
  }

  #hear(message: ToSuccessor): void {
    switch (message.kind) {
      case 'state':
        this.#onState(message.state)
        break
      case 'take-over':
        this.#myTurn.resolve()
        break
      case 'handed-over':
        this.#onState(message.state)
        this.#itsEnd.resolve()
        break
      case 'draining':
        this.#draining = message.processes
        break
      default:
        message satisfies never
    }
  }
}

/** `null` for a process that was not started to take over. Throws a StartError when it cannot understand the other one. */
export function findPredecessor(
  environment: Record<string, string | undefined>,
  end: ChannelEnd & { readonly connected: boolean },
): Predecessor | null {
  const inheritance = takeInheritance(environment)
  // Without the line to it the variable is nothing but a leftover.
  return inheritance === null || !end.connected ? null : new Predecessor(inheritance, end)
}
