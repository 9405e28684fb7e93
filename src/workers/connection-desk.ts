/**
 * Connections on their way to a worker: each goes to the one with the most room, which is the one with the fewest sessions,
 * or the one whose share of the limit is larger; while there is no worker they wait.
 * Composition layer. They were accepted in pause, and nothing has been read from them.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { CloseReasonKind } from '../session/close-reason.ts'
import { DescriptorGuard } from './descriptor-guard.ts'
import type { Connection, WorkerProcess } from './worker-process.ts'

export interface ConnectionDeskOptions {
  readonly workers: () => readonly WorkerProcess[]
  /** How many sessions this worker may have. */
  readonly sessionsMaxOf: (worker: number) => number
  /** It may not be able to take a connection: another one is better. */
  readonly isDoubtful: (worker: WorkerProcess) => boolean
  /** Of the configuration in force, which the worker may not have yet. */
  readonly version: () => number
  readonly readDescriptorLimit: () => number | null
  readonly onTurnedAway: (kind: CloseReasonKind) => void
  readonly logger: Logger
}

export class ConnectionDesk {
  readonly #options: ConnectionDeskOptions
  /** Of this process, which has each connection until its worker has it. */
  readonly #descriptors: DescriptorGuard
  #waiting: Connection[] = []
  #lastId = 0
  #lastWorker = 0

  constructor(options: ConnectionDeskOptions) {
    const { readDescriptorLimit, onTurnedAway, logger } = options
    this.#options = options
    const underWayCount = (): number => this.#underWayCount
    this.#descriptors = new DescriptorGuard({
      readLimit: readDescriptorLimit,
      registry: {
        get descriptorCount() {
          return underWayCount()
        },
        get size() {
          return underWayCount()
        },
        turnAway: onTurnedAway,
      },
      logger,
    })
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** Reads the limit of open files, of which workers have more need. */
  checkDescriptors(): void {
    this.#descriptors.check(0)
  }

  accept(socket: Socket, listener: string): void {
    if (this.#descriptors.admits(socket)) this.pass({ socket, listener })
    else socket.destroy()
  }

  /** One that was accepted before. */
  pass(connection: Connection): void {
    const worker = this.#chooseWorker()
    if (worker === null) {
      this.#waiting.push(connection)
      return
    }
    const { socket, listener } = connection
    this.#lastId += 1
    this.#lastWorker = worker.worker
    worker.pass(socket, { id: this.#lastId, listener, version: this.#options.version() })
  }

  /** A worker is there. */
  passWaiting(): void {
    for (const connection of this.#waiting.splice(0)) this.pass(connection)
  }

  /** Nobody will come for those who wait. */
  endWaiting(): void {
    for (const connection of this.#waiting.splice(0)) this.drop(connection)
  }

  drop({ socket }: Connection): void {
    socket.destroy()
    this.#options.onTurnedAway('shutting-down')
  }

  /** In turn where they have the same room. */
  #chooseWorker(): WorkerProcess | null {
    const { workers, sessionsMaxOf, isDoubtful } = this.#options
    const good = workers().filter((worker) => !isDoubtful(worker))
    const all = good.length > 0 ? good : workers()
    const inTurn = [...all.filter(({ worker }) => worker > this.#lastWorker), ...all]
    const roomOf = ({ worker, size }: WorkerProcess): number => sessionsMaxOf(worker) - size
    return inTurn.reduce<WorkerProcess | null>(
      (best, each) => (best !== null && roomOf(best) >= roomOf(each) ? best : each),
      null,
    )
  }

  get #underWayCount(): number {
    return this.#options.workers().reduce((sum, { underWayCount }) => sum + underWayCount, this.#waiting.length)
  }
}
