/**
 * The process that is to take over from this one: starts it, waits until it can, tells it when, and gives up on one that
 * cannot. Composition layer. What this process hands over and does afterwards is hand-over.ts's to know.
 *
 * It is started by a shell that ends at once, and so is the child of process 1, not ours: systemd takes a main process
 * that is nobody's child of its own for one that it cannot wait for, and kills it at a stop instead of letting it drain.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import process from 'node:process'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Clock } from '../ports.ts'
import { TO_PREDECESSOR_SCHEMA, type ToPredecessor, type ToSuccessor } from './hand-over-messages.ts'
import { type Legacy, PID_FD } from './inheritance.ts'
import { ProcessChannel } from './process-channel.ts'

/** Of what a failing process says, for the log. */
const WORDS_LENGTH_MAX = 4_000
const SCRIPT = `"$@" <&0 ${PID_FD}>&- & echo "$!" >&${PID_FD}`

export interface Program {
  /** A path. */
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
  /** `null` when it could not be started. Never rejects. */
  readonly pid: Promise<number | null>
  /** Resolves once; never rejects. */
  readonly outcome: Promise<SuccessorOutcome>
  /** Resolves when it has ended, or is let go of. */
  readonly ended: Promise<void>
  readonly #options: SuccessorOptions
  readonly #channel: ProcessChannel<ToSuccessor, ToPredecessor>
  readonly #settle: (outcome: SuccessorOutcome) => void
  #standing = { isSettled: false, isServing: false }
  #isToldToTakeOver = false
  #isGone = false
  #problem: string | null = null
  #words = ''
  #onHeard: (message: ToPredecessor) => void = () => undefined

  /** Throws when there is no such program. */
  constructor(options: SuccessorOptions) {
    const { program, legacy, environment, clock, timeoutMs } = options
    this.#options = options
    const { promise, resolve } = Promise.withResolvers<SuccessorOutcome>()
    this.outcome = promise
    accessSync(program.command, constants.X_OK)
    const shell = spawn('/bin/sh', ['-c', SCRIPT, 'sh', program.command, ...program.args], {
      env: { ...environment, ...legacy.environment },
      stdio: legacy.stdio,
    })
    const cancelTimer = clock.schedule(timeoutMs, () => this.giveUp(this.#timeUp()))
    this.#settle = (outcome) => {
      cancelTimer()
      resolve(outcome)
    }
    this.#channel = new ProcessChannel<ToSuccessor, ToPredecessor>(shell, TO_PREDECESSOR_SCHEMA)
    this.#channel.onHeard((message) => this.#hear(message))
    this.pid = this.#readPid(shell)
    this.ended = this.#watchEnd()
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
    this.#problem ??= problem
    void this.pid.then((pid) => {
      // As long as it has its end of the channel it lives, and the number is its own.
      if (pid !== null && !this.#isGone) process.kill(pid, 'SIGKILL')
    })
  }

  /** Lets go of it: it runs on, and this process may end. */
  release(): void {
    this.#channel.close()
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
        if (this.#problem === null) this.#settle({ kind: 'taken-over', graceMs: message.graceMs })
        break
      case 'ending':
        this.#problem ??= `it ended with exit code ${message.exitCode}`
        break
      default:
        this.#onHeard(message)
    }
  }

  async #readPid(shell: ChildProcess): Promise<number | null> {
    const failed = new Promise<null>((resolve) => {
      shell.on('error', (error) => {
        this.#problem ??= `it cannot be started: ${error.message}`
        this.#isGone = true
        this.#fail()
        resolve(null)
      })
    })
    const pipe = shell.stdio[PID_FD] as Readable | undefined
    if (pipe === undefined) return await failed
    const pid = await Promise.race([failed, text(pipe).catch(() => '')])
    return pid === null ? null : Number(pid) || null
  }

  async #watchEnd(): Promise<void> {
    await this.#channel.closed
    this.#isGone = true
    this.#fail()
  }

  #fail(): void {
    const words = this.#words.split('\n').filter((line) => line.trim() !== '')
    this.#settle({ kind: 'failed', problem: this.#problem ?? 'it ended by a crash, or was killed', words })
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
