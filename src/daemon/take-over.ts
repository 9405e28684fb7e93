/**
 * The start of a process, which may be one that takes over from another that still runs: hand-over.ts has the picture.
 * Composition layer. Where nobody is to be taken over from it is the plain order of a start.
 */
import { closeSync } from 'node:fs'
import type { Logger } from 'pino'
import { formatListenerAddress } from '../config/address.ts'
import type { AdminAddress, Config } from '../config/config.ts'
import type { PersistentState } from '../ports.ts'
import type { HealthLoop } from '../probe/health-loop.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { FailoverRecorder } from './failover-recorder.ts'
import type { ListenerSet } from './listener-set.ts'
import type { OpenAdmin } from './open-admin.ts'
import type { Predecessor } from './predecessor.ts'
import { restoreState } from './restore-state.ts'
import type { ServiceReporter } from './service-reporter.ts'
import type { SharedState } from './shared-state.ts'
import type { StateFile } from './state-file.ts'

export interface TakeOverOptions {
  /** `null`: there is none. */
  readonly predecessor: Predecessor | null
  readonly logger: Logger
  readonly config: () => Config
  readonly stateFile: StateFile
  readonly listeners: ListenerSet
  readonly service: ServiceReporter
  readonly failovers: FailoverRecorder
  readonly admin: () => OpenAdmin | null
}

export class TakeOver {
  readonly #options: TakeOverOptions
  readonly #state: SharedState
  #isDone: boolean
  #standing = ''

  constructor(options: TakeOverOptions, state: SharedState) {
    this.#options = options
    this.#state = state
    this.#isDone = options.predecessor === null
  }

  /** This process is the proxy, and no other. */
  get isDone(): boolean {
    return this.#isDone
  }

  /** What is known from before, and the proof that it can be kept. Rejects with a StartError. */
  async restore(): Promise<PersistentState> {
    const { predecessor, stateFile, logger, failovers } = this.#options
    const restored = await restoreState(stateFile, logger, predecessor?.inheritance.state)
    this.#state.begin(restored)
    if (predecessor === null) await failovers.restore(restored.epoch)
    return restored
  }

  /** Resolves when the listeners may be opened: at once, or when the process before says so. It probes meanwhile. */
  async awaitTurn(health: HealthLoop): Promise<void> {
    const { predecessor, logger } = this.#options
    if (predecessor === null) return
    logger.info({ predecessor: predecessor.inheritance.pid }, 'takes over from a running process')
    predecessor.listen((state) => this.#state.take(state))
    health.start()
    await predecessor.turn
  }

  /** The admin socket of the process before, if it has this address; else it is closed. To be called once. */
  takeAdminSocket(address: AdminAddress | undefined): number | undefined {
    const inherited = this.#options.predecessor?.inheritance.admin ?? null
    if (inherited === null) return undefined
    if (address !== undefined && inherited.address === formatListenerAddress(address)) return inherited.fd
    closeSync(inherited.fd)
    return undefined
  }

  /** The listeners are open. Resolves when this process is the proxy. */
  async begin(health: HealthLoop): Promise<void> {
    const { predecessor, config, logger, failovers, listeners, admin, service } = this.#options
    if (predecessor === null) return health.start()
    const { pid } = predecessor.inheritance
    predecessor.tell({ kind: 'taken-over', graceMs: config().shutdown.handoverGraceMs })
    await predecessor.handedOver
    this.#isDone = true
    this.#state.lead()
    // It may be in another folder than before, and what was told must not be known to the old one alone.
    await this.#state.save(this.#state.known).catch((error: Error) => {
      logger.error({ problem: error.message }, 'the state file cannot be written')
    })
    await failovers.restore(this.#state.known.epoch)
    listeners.claimFiles()
    admin()?.server.claimFile()
    service.takeOver()
    logger.info({ predecessor: pid }, 'took over')
    void predecessor.ended.then(() => logger.info({ predecessor: pid }, 'the process before has ended'))
  }

  /** The process before waits for this one to be as ready as itself. */
  takeDecision(decision: Decision, isSettled: boolean): void {
    const { predecessor } = this.#options
    if (predecessor === null || this.#isDone) return
    const isServing = decision.primary !== null
    const standing = `${isSettled} ${isServing}`
    if (standing === this.#standing) return
    this.#standing = standing
    predecessor.tell({ kind: 'standing', isSettled, isServing })
  }
}
