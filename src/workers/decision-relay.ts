/**
 * Brings decisions to the workers, in two steps where they change anything for sessions: first all fence, then all admit.
 * A worker that has not confirmed in time is killed; its connections end with it, which is as good. Composition layer.
 */
import type { Logger } from 'pino'
import { describeVerdicts } from '../net/admission.ts'
import type { Clock, NodeIdentity } from '../ports.ts'
import type { Decision } from '../topology/topology-state.ts'
import { FencingRounds } from './fencing-rounds.ts'
import type { WorkerProcess } from './worker-process.ts'

/** To fence, and to say so, with hardly a session: whoever takes longer is stopped, or hangs. */
export const CONFIRM_MS = 1_000
/** For each session on top of that: it takes a tenth of it to tell one that it ends, where the machine is not short of time. */
export const CONFIRM_MS_PER_SESSION = 1

/** Of a worker, what the relay has to do with. */
export type RelayedWorker = Pick<WorkerProcess, 'worker' | 'pid' | 'size' | 'tell' | 'kill'>

export interface DecisionRelayOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Those that are there and have started. */
  readonly workers: () => readonly RelayedWorker[]
  readonly members: () => readonly NodeIdentity[]
  /** All have fenced, and admit from now on. */
  readonly onAdmitted: () => void
}

/** A decision that not all have fenced by yet. */
interface Untold {
  readonly onFenced: (endedCount: number) => void
  endedCount: number
}

export class DecisionRelay {
  readonly #options: DecisionRelayOptions
  readonly #rounds = new FencingRounds()
  #decision: Decision | null = null
  #verdicts = ''
  #untold: Untold[] = []
  #cancelWatch: (() => void) | null = null

  constructor(options: DecisionRelayOptions) {
    this.#options = options
  }

  get decision(): Decision | null {
    return this.#decision
  }

  /** It has not confirmed the newest decision yet. */
  awaits(worker: number): boolean {
    return this.#rounds.awaits(worker)
  }

  /** `onFenced` is called in the order of the decisions; those that another has overtaken are told of together with it. */
  take(decision: Decision, onFenced: (endedCount: number) => void): void {
    const { clock } = this.#options
    const workers = this.#options.workers()
    const members = this.#options.members()
    const verdicts = describeVerdicts(decision)
    this.#decision = decision
    this.#untold.push({ onFenced, endedCount: 0 })
    if (verdicts === this.#verdicts) {
      for (const worker of workers) worker.tell({ kind: 'renew', decision, members })
      if (this.#cancelWatch === null) this.#tellAll()
      return
    }
    this.#verdicts = verdicts
    const ids = workers.map(({ worker }) => worker)
    const round = this.#rounds.begin(ids, clock.now())
    for (const worker of workers) worker.tell({ kind: 'fence', round, decision, members })
    this.#cancelWatch ??= this.#watch()
    this.#proceed()
  }

  /** The worker has fenced by the decision of that round. */
  takeConfirmation(worker: number, round: number, endedCount: number): void {
    const newest = this.#untold.at(-1)
    if (newest !== undefined) newest.endedCount += endedCount
    this.#rounds.confirm(worker, round)
    this.#proceed()
  }

  /** It has no sessions yet. It learns the decision, and admits with all others. */
  welcome(worker: RelayedWorker): void {
    if (this.#decision === null) return
    worker.tell({ kind: 'fence', round: 0, decision: this.#decision, members: this.#options.members() })
    if (this.#cancelWatch === null) worker.tell({ kind: 'admit' })
  }

  /** It is gone, and its connections with it. */
  leave(worker: number): void {
    this.#rounds.leave(worker)
    this.#proceed()
  }

  close(): void {
    this.#cancelWatch?.()
    this.#cancelWatch = null
  }

  #proceed(): void {
    if (this.#cancelWatch === null || !this.#rounds.isComplete) return
    this.close()
    this.#tellAll()
    for (const worker of this.#options.workers()) worker.tell({ kind: 'admit' })
    this.#options.onAdmitted()
  }

  #tellAll(): void {
    for (const { onFenced, endedCount } of this.#untold.splice(0)) onFenced(endedCount)
  }

  #watch(): () => void {
    const { clock } = this.#options
    const dueAt = clock.now() + CONFIRM_MS / 2
    return clock.schedule(CONFIRM_MS / 2, () => {
      // When this process itself stood still, confirmations may be there that it has not read.
      const wasLate = clock.now() - dueAt > CONFIRM_MS / 2
      this.#cancelWatch = this.#watch()
      if (!wasLate) this.#killOverdue()
    })
  }

  #killOverdue(): void {
    const { clock, logger } = this.#options
    for (const process of this.#options.workers()) {
      const withinMs = CONFIRM_MS + CONFIRM_MS_PER_SESSION * process.size
      if (!this.#rounds.isOverdue(process.worker, clock.now(), withinMs)) continue
      logger.error(
        { worker: process.worker, workerPid: process.pid, withinMs },
        'a worker has not confirmed that it has fenced: it is killed',
      )
      process.kill()
    }
  }
}
