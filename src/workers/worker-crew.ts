/**
 * Keeps as many workers running as there are to be: starts them, watches that they answer, replaces those that end, each
 * time a little later. Composition layer. What they are told is worker-pool.ts's to know.
 */
import type { Logger } from 'pino'
import { StartError } from '../daemon/start-error.ts'
import type { Clock } from '../ports.ts'
import type { Fault, ToMain, WorkerCharter } from './messages.ts'
import { type WorkerEnd, WorkerProcess } from './worker-process.ts'

/** To read certificates, say. */
const START_TIMEOUT_MS = 30_000
const PING_INTERVAL_MS = 1_000
/** One that has not answered so many in a row hangs. */
export const MISSED_PINGS_MAX = 5
const RESTART_DELAY_MS_MIN = 100
const RESTART_DELAY_MS_MAX = 10_000
/** Whoever has run for so long did not fail at its start. */
const STEADY_MS = 60_000

export interface WorkerCrewOptions {
  readonly count: number
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly logger: Logger
  /** What a worker that starts now is to be. */
  readonly charterOf: (worker: number) => WorkerCharter
  /** Of workers that are ready. */
  readonly onHeard: (worker: WorkerProcess, message: ToMain) => void
  /** It may be told and given everything from now on. */
  readonly onReady: (worker: WorkerProcess) => void
  /** One that was ready has ended; it is not among `ready` any more. Returns how many sessions ended with it. */
  readonly onEnded: (worker: WorkerProcess) => number
}

interface Place {
  readonly worker: number
  process: WorkerProcess | null
  isReady: boolean
  startedAt: number
  restartDelayMs: number
  /** Of the first start. */
  readonly started: PromiseWithResolvers<void>
}

export class WorkerCrew {
  readonly #options: WorkerCrewOptions
  readonly #places: readonly Place[]
  readonly #cancels = new Set<() => void>()
  #cancelPing: () => void = () => undefined
  #lostCount = 0
  #isClosing = false
  #onAllEnded: () => void = () => undefined

  constructor(options: WorkerCrewOptions) {
    this.#options = options
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      worker: index + 1,
      process: null,
      isReady: false,
      startedAt: 0,
      restartDelayMs: RESTART_DELAY_MS_MIN,
      started: Promise.withResolvers<void>(),
    }))
  }

  /** Those that have started, in the order of their numbers. */
  get ready(): readonly WorkerProcess[] {
    return this.#places.flatMap(({ process, isReady }) => (process !== null && isReady ? [process] : []))
  }

  /** Workers that ended without being told to. */
  get lostCount(): number {
    return this.#lostCount
  }

  /** Resolves when all have started. Rejects with a StartError when one of them cannot; `close` is to be called then. */
  async start(): Promise<void> {
    for (const place of this.#places) this.#launch(place)
    const cancel = this.#options.clock.schedule(START_TIMEOUT_MS, () => {
      for (const { worker, started } of this.#places)
        started.reject(cannotStart(worker, 'it does not say that it is ready'))
    })
    try {
      await Promise.all(this.#places.map(({ started }) => started.promise))
    } finally {
      cancel()
    }
    this.#ping()
  }

  /** Lets them end by themselves, `withinMs` at the most. Idempotent. */
  async close(withinMs: number): Promise<void> {
    this.#isClosing = true
    this.#cancelPing()
    for (const cancel of this.#cancels) cancel()
    const running = (): WorkerProcess[] => this.#places.flatMap(({ process }) => process ?? [])
    if (running().length === 0) return
    for (const process of running()) process.release()
    const cancelKill = this.#options.clock.schedule(withinMs, () => {
      for (const process of running()) process.kill()
    })
    await new Promise<void>((resolve) => {
      this.#onAllEnded = resolve
    })
    cancelKill()
  }

  #launch(place: Place): void {
    const { environment, clock, charterOf, onHeard } = this.#options
    place.startedAt = clock.now()
    const process = new WorkerProcess({
      ...{ charter: charterOf(place.worker), environment, clock },
      onHeard: (message) => {
        if (message.kind === 'ready') this.#takeReady(place, process)
        else if (message.kind === 'failed') this.#takeFailure(place, process, message.fault)
        else if (message.kind === 'pong') {
          process.health = message.health
          process.missedPings = 0
        } else onHeard(process, message)
      },
      onEnded: (end) => this.#takeEnd(place, process, end),
    })
    place.process = process
  }

  #takeReady(place: Place, process: WorkerProcess): void {
    const { logger, onReady } = this.#options
    place.isReady = true
    logger.info({ worker: place.worker, workerPid: process.pid }, 'worker started')
    onReady(process)
    place.started.resolve()
  }

  #takeFailure(place: Place, process: WorkerProcess, { message, hint }: Fault): void {
    place.started.reject(new StartError(message, hint, null))
    this.#options.logger.error({ worker: place.worker, problem: message, hint }, 'the worker cannot start')
    process.kill()
  }

  #takeEnd(place: Place, process: WorkerProcess, { exitCode, signal, problem }: WorkerEnd): void {
    const { clock, logger, onEnded } = this.#options
    const wasReady = place.isReady
    place.process = null
    place.isReady = false
    const sessions = wasReady ? onEnded(process) : 0
    if (this.#isClosing) {
      if (this.#places.every((each) => each.process === null)) this.#onAllEnded()
      return
    }
    this.#lostCount += 1
    const how = problem ?? (signal === null ? `it ended with exit code ${exitCode}` : `it was ended by ${signal}`)
    place.started.reject(cannotStart(place.worker, how))
    if (clock.now() - place.startedAt > STEADY_MS) place.restartDelayMs = RESTART_DELAY_MS_MIN
    const delayMs = place.restartDelayMs
    place.restartDelayMs = Math.min(2 * delayMs, RESTART_DELAY_MS_MAX)
    const lost = { worker: place.worker, workerPid: process.pid, exitCode, signal, sessionsLost: sessions }
    logger.error({ ...lost, problem: how, replacedAfterMs: delayMs }, 'a worker is lost, and its sessions with it')
    const cancel = clock.schedule(delayMs, () => {
      this.#cancels.delete(cancel)
      this.#launch(place)
    })
    this.#cancels.add(cancel)
  }

  #ping(): void {
    const { clock, logger } = this.#options
    const dueAt = clock.now() + PING_INTERVAL_MS
    this.#cancelPing = clock.schedule(PING_INTERVAL_MS, () => {
      // When this process itself stood still, answers may be there that it has not read.
      const wasLate = clock.now() - dueAt > PING_INTERVAL_MS
      for (const process of this.ready) {
        if (process.missedPings >= MISSED_PINGS_MAX && !wasLate) {
          logger.error({ worker: process.worker, workerPid: process.pid }, 'a worker does not answer: it is killed')
          process.kill()
        }
        process.missedPings += 1
        process.tell({ kind: 'ping' })
      }
      this.#ping()
    })
  }
}

function cannotStart(worker: number, problem: string): StartError {
  return new StartError(`worker ${worker} cannot start: ${problem}`, 'the log says more; workers: 1 does without', null)
}
