/**
 * The process that is to take over from this one: starts it, waits until it can, tells it when, and gives up on one that
 * cannot. Composition layer. What this process hands over and does afterwards is hand-over.ts's to know.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'
import type { Clock } from '../ports.ts'
import { TO_PREDECESSOR_SCHEMA, type ToPredecessor, type ToSuccessor } from './hand-over-messages.ts'
import type { Legacy } from './inheritance.ts'
import { ProcessChannel } from './process-channel.ts'

/** Of what a failing process says, for the log. */
const WORDS_LENGTH_MAX = 4_000

export interface Program {
  readonly command: string
  readonly args: readonly string[]
}

/** As this process was started; the files may be newer ones by now. */
export function ownProgram(): Program {
  return { command: process.execPath, args: [...process.execArgv, ...process.argv.slice(1)] }
}

export interface SuccessorOptions {
  readonly program: Program
  readonly legacy: Legacy
  /** On top of which it has what it inherits. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** For it to take over. */
  readonly timeoutMs: number
  /** This process has a primary; then so must the other one, before it takes over. */
  readonly isServing: () => boolean
}

export type SuccessorOutcome =
  /** Its listeners are open. `graceMs`: how long our sessions may go on by its configuration; `null`: for ever. */
  | { readonly kind: 'taken-over'; readonly graceMs: number | null }
  /** It is gone. `words`: what it said last. */
  | { readonly kind: 'failed'; readonly problem: string; readonly words: readonly string[] }

export class Successor {
  /** Resolves once; never rejects. */
  readonly outcome: Promise<SuccessorOutcome>
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  readonly #options: SuccessorOptions
  readonly #child: ChildProcess
  readonly #channel: ProcessChannel<ToSuccessor, ToPredecessor>
  readonly #settle: (outcome: SuccessorOutcome) => void
  #standing = { isSettled: false, isServing: false }
  #isToldToTakeOver = false
  #givenUpBecause: string | null = null
  #words = ''
  #onHeard: (message: ToPredecessor) => void = () => undefined

  constructor(options: SuccessorOptions) {
    const { program, legacy, environment, clock, timeoutMs } = options
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<SuccessorOutcome>()
    this.outcome = promise
    this.#child = spawn(program.command, program.args, {
      env: { ...environment, ...legacy.environment },
      stdio: legacy.stdio,
    })
    // A signal that cannot be sent is found out by its having no effect.
    this.#child.on('error', () => undefined)
    const cancelTimer = clock.schedule(timeoutMs, () => this.giveUp(this.#timeUp()))
    this.#settle = (outcome) => {
      cancelTimer()
      resolve(outcome)
    }
    this.#channel = new ProcessChannel<ToSuccessor, ToPredecessor>(this.#child, TO_PREDECESSOR_SCHEMA)
    this.#channel.onHeard((message) => this.#hear(message))
    this.ended = this.#watchEnd()
  }

  /** `undefined` when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  tell(message: ToSuccessor): void {
    this.#channel.tell(message)
  }

  /** What it says after it has taken over. */
  onHeard(handler: (message: ToPredecessor) => void): void {
    this.#onHeard = handler
  }

  /** Something has changed that `isServing` tells. */
  reconsider(): void {
    const { isSettled, isServing } = this.#standing
    if (this.#isToldToTakeOver || !isSettled || (this.#options.isServing() && !isServing)) return
    this.#isToldToTakeOver = true
    this.tell({ kind: 'take-over' })
  }

  /** Kills it, which serves nobody yet. */
  giveUp(problem: string): void {
    this.#givenUpBecause ??= problem
    this.#child.kill('SIGKILL')
  }

  /** Lets go of it: it runs on, and this process may end. */
  release(): void {
    this.#channel.close()
    this.#child.unref()
  }

  #hear(message: ToPredecessor): void {
    switch (message.kind) {
      case 'words':
        this.#words = `${this.#words}${message.text}`.slice(-WORDS_LENGTH_MAX)
        break
      case 'standing':
        this.#standing = message
        this.reconsider()
        break
      case 'taken-over':
        if (this.#givenUpBecause === null) this.#settle({ kind: 'taken-over', graceMs: message.graceMs })
        break
      default:
        this.#onHeard(message)
    }
  }

  async #watchEnd(): Promise<void> {
    const end = await new Promise<string>((resolve) => {
      this.#child.once('error', (error) => resolve(`it cannot be started: ${error.message}`))
      this.#child.once('exit', (code, signal) =>
        resolve(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`),
      )
    })
    // What it said before may still be under way.
    if (this.pid !== undefined) await this.#channel.closed
    const words = this.#words.split('\n').filter((line) => line.trim() !== '')
    this.#settle({ kind: 'failed', problem: this.#givenUpBecause ?? end, words })
  }

  #timeUp(): string {
    const { isSettled, isServing } = this.#standing
    const missing = !isSettled
      ? 'it has not asked every node yet'
      : isServing || !this.#options.isServing()
        ? 'it does not open its listeners'
        : 'it finds no primary'
    return `it was not ready within ${this.#options.timeoutMs / 1000} s: ${missing}`
  }
}
