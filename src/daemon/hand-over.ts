/**
 * Handing over to a new process, and taking over from an old one, without anybody noticing. Composition layer.
 *
 *     the old one                          the new one
 *     SIGUSR2: starts it           ->      reads configuration and state, probes, accepts nobody
 *                                  <-      asked every node; has a primary, if the old one has
 *     your turn                    ->      opens its listeners, most of them inherited
 *                                  <-      they are open
 *     closes its own; writes no more ->    writes the state file, tells the service manager, keeps the journal
 *     probes, fences, admits whom it holds, until its last session has ended
 *
 * Both have the same sockets, so there is one queue of connections to be accepted, and nothing in it is lost. When the new
 * one fails before its turn is over the old one goes on as if nothing had happened. See
 * docs/adr/0009-upgrade-by-handing-over-sockets.md.
 */
import { closeSync } from 'node:fs'
import process from 'node:process'
import type { Logger } from 'pino'
import { formatListenerAddress } from '../config/address.ts'
import type { AdminAddress, Config } from '../config/config.ts'
import type { SessionRegistry } from '../net/session-registry.ts'
import type { Clock, PersistentState } from '../ports.ts'
import type { HealthEvents, HealthLoop } from '../probe/health-loop.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { FailoverRecorder } from './failover-recorder.ts'
import type { DrainingProcess, ToPredecessor } from './hand-over-messages.ts'
import { bequeath } from './inheritance.ts'
import type { ListenerSet } from './listener-set.ts'
import type { OpenAdmin } from './open-admin.ts'
import type { Predecessor } from './predecessor.ts'
import { restoreState } from './restore-state.ts'
import type { ServiceReporter } from './service-reporter.ts'
import { SharedState } from './shared-state.ts'
import type { StateFile } from './state-file.ts'
import { type Program, Successor } from './successor.ts'
import type { SystemdEnvironment } from './systemd-environment.ts'

/** How often the process that drains says how many sessions it has left. */
const FIGURES_INTERVAL_MS = 1_000

export interface HandOverOptions {
  readonly predecessor: Predecessor | null
  /** What a successor is started as. */
  readonly program: Program
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly systemd: SystemdEnvironment
  readonly version: string
  readonly clock: Clock
  readonly logger: Logger
  readonly config: () => Config
  readonly stateFile: StateFile
  readonly registry: SessionRegistry
  readonly listeners: ListenerSet
  readonly service: ServiceReporter
  readonly failovers: FailoverRecorder
  readonly health: () => HealthLoop | null
  readonly admin: () => OpenAdmin | null
  /** Why nothing can be handed over just now, in words; `null`: it can. */
  readonly obstacle: () => string | null
}

export class HandOver {
  /** Epoch and fences, as all processes of the proxy have them. */
  readonly state: SharedState
  /** Resolves when all was handed over, and nobody is left here or their time is over. */
  readonly drained: Promise<void>
  readonly #options: HandOverOptions
  readonly #startedAt: string
  readonly #isDrained = Promise.withResolvers<void>()
  #successor: Successor | null = null
  #isLeading: boolean
  #hasHandedOver = false
  #isGraceOver = false
  #standing = ''
  #cancelGrace: () => void = () => undefined
  #cancelFigures: () => void = () => undefined

  constructor(options: HandOverOptions) {
    const { predecessor, clock, stateFile: file } = options
    this.#options = options
    this.#startedAt = clock.wallTime().toISOString()
    this.#isLeading = predecessor === null
    this.drained = this.#isDrained.promise
    this.state = new SharedState({
      file,
      position: predecessor === null ? 'leads' : 'follows',
      onSaved: (state) => this.#tellOthers(state),
      onTold: (state) => {
        options.health()?.adopt(state)
        this.#tellOthers(state)
      },
    })
  }

  /** Processes that drain. */
  get predecessors(): readonly DrainingProcess[] {
    return this.#options.predecessor?.draining ?? []
  }

  /** This process drains, and another one is the proxy. */
  get isOver(): boolean {
    return this.#hasHandedOver
  }

  /** The time of those who are left is over. */
  get isGraceOver(): boolean {
    return this.#isGraceOver
  }

  /** For the service manager's status; `null` when nobody drains. */
  get note(): string | null {
    const { length } = this.predecessors
    if (length === 0) return null
    const sessions = this.predecessors.reduce((sum, each) => sum + each.sessions, 0)
    return `${length} earlier process${length === 1 ? '' : 'es'} with ${sessions} session${sessions === 1 ? '' : 's'}`
  }

  /** The admin socket of the process before, if it has this address; else it is closed. To be called once. */
  takeAdminSocket(address: AdminAddress | undefined): number | undefined {
    const inherited = this.#options.predecessor?.inheritance.admin ?? null
    if (inherited === null) return undefined
    if (address !== undefined && inherited.address === formatListenerAddress(address)) return inherited.fd
    closeSync(inherited.fd)
    return undefined
  }

  // --- Taking over -------------------------------------------------------------------------------------------------

  async restore(): Promise<PersistentState> {
    const { predecessor, stateFile, logger, failovers } = this.#options
    const restored = await restoreState(stateFile, logger, predecessor?.inheritance.state)
    this.state.begin(restored)
    if (predecessor === null) await failovers.restore(restored.epoch)
    return restored
  }

  /** Resolves when the listeners may be opened: at once, or when the process before says so. It probes meanwhile. */
  async awaitTurn(health: HealthLoop): Promise<void> {
    const { predecessor, logger } = this.#options
    if (predecessor === null) return
    logger.info({ predecessor: predecessor.inheritance.pid }, 'takes over from a running process')
    predecessor.listen((state) => this.state.take(state))
    health.start()
    await predecessor.turn
  }

  /** The listeners are open. Resolves when this process is the proxy. */
  async begin(health: HealthLoop): Promise<void> {
    const { predecessor, config, logger, failovers, listeners, admin, service } = this.#options
    if (predecessor === null) return health.start()
    const { pid } = predecessor.inheritance
    predecessor.tell({ kind: 'taken-over', graceMs: config().shutdown.handoverGraceMs })
    await predecessor.handedOver
    this.#isLeading = true
    this.state.lead()
    // It may be in another folder than before, and what was told must not be known to the old one alone.
    await this.state.save(this.state.known).catch((error: Error) => {
      logger.error({ problem: error.message }, 'the state file cannot be written')
    })
    await failovers.restore(this.state.known.epoch)
    listeners.claimFiles()
    admin()?.server.claimFile()
    service.takeOver()
    logger.info({ predecessor: pid }, 'took over')
    void predecessor.ended.then(() => logger.info({ predecessor: pid }, 'the process before has ended'))
  }

  // --- Handing over ------------------------------------------------------------------------------------------------

  /** Starts a successor. What became of it is told to the log alone. */
  async upgrade(): Promise<void> {
    const { logger } = this.#options
    const obstacle = this.#obstacle()
    if (obstacle !== null) return logger.warn({ problem: obstacle }, 'no upgrade')
    try {
      this.#successor = this.#start()
    } catch (error) {
      return logger.error({ problem: (error as Error).message }, 'the upgrade failed: this process goes on')
    }
    const successor = this.#successor
    logger.info({ successor: successor.pid }, 'upgrade: a successor was started')
    const outcome = await successor.outcome
    if (outcome.kind === 'taken-over') return await this.#handOverTo(successor, outcome.graceMs)
    this.#successor = null
    successor.release()
    const { problem, words } = outcome
    logger.error({ successor: successor.pid, problem, words }, 'the upgrade failed: this process goes on')
  }

  /** All health events, some of which concern the other process. */
  watch(events: HealthEvents): HealthEvents {
    return {
      ...events,
      onDecision: (decision, state) => {
        events.onDecision(decision, state)
        this.#takeDecision(decision, state.settled)
      },
    }
  }

  /** The proxy stops: so do those that drain, and nobody takes over. `hurry`: they are not to wait. */
  stopping(hurry: Promise<void>): void {
    const { predecessor } = this.#options
    if (!this.#hasHandedOver) this.#successor?.giveUp('the proxy stops')
    predecessor?.tell({ kind: 'stop' })
    void hurry.then(() => predecessor?.tell({ kind: 'hurry' }))
  }

  /** Waits for those that drain, `withinMs` at the most, and lets go of all. */
  async close(withinMs: number): Promise<void> {
    const { predecessor, clock } = this.#options
    if (predecessor !== null) {
      const timeOver = Promise.withResolvers<void>()
      const cancel = clock.schedule(withinMs, timeOver.resolve)
      await Promise.race([predecessor.ended, timeOver.promise])
      cancel()
      predecessor.close()
    }
    this.#cancelGrace()
    this.#cancelFigures()
    this.#successor?.release()
  }

  #obstacle(): string | null {
    if (this.#hasHandedOver) return 'this process has handed over already'
    if (this.#successor !== null) return 'a successor is being started already'
    if (!this.#isLeading) return 'this process is still taking over'
    // The first process of a container takes all others with it.
    if (process.pid === 1) return 'process 1 cannot be replaced by another: run two proxies, and replace one at a time'
    return this.#options.obstacle()
  }

  #start(): Successor {
    const { program, environment, systemd, version, clock, config, listeners, admin, health } = this.#options
    const { notifySocket, watchdogMs } = systemd
    const adminServer = admin()?.server
    const configured = config().admin
    return new Successor({
      program,
      environment,
      legacy: bequeath({
        pid: process.pid,
        version,
        startedAt: this.#startedAt,
        ...listeners.sockets,
        admin:
          adminServer === undefined || configured === null
            ? null
            : { address: formatListenerAddress(configured.address), fd: adminServer.descriptor },
        notifySocket,
        watchdogMs,
        state: this.state.known,
      }),
      clock,
      timeoutMs: config().shutdown.handoverTimeoutMs,
      isServing: () => (health()?.snapshot.decision?.primary ?? null) !== null,
    })
  }

  async #handOverTo(successor: Successor, graceMs: number | null): Promise<void> {
    const { listeners, service, admin, failovers, registry, logger, clock, predecessor } = this.#options
    this.#hasHandedOver = true
    this.#isLeading = false
    listeners.close({ keepFiles: true })
    void admin()?.server.handOver()
    successor.onHeard((message) => this.#obey(message))
    await service.retire()
    await failovers.close()
    successor.tell({ kind: 'handed-over', state: await this.state.follow() })
    logger.info({ successor: successor.pid, sessions: registry.size, graceMs }, 'handed over: draining')
    logger.setBindings({ draining: process.pid })
    this.#tellFigures(successor, '')
    if (graceMs !== null) {
      const onOver = (): void => {
        this.#isGraceOver = true
        this.#isDrained.resolve()
      }
      this.#cancelGrace = clock.schedule(graceMs, onOver)
    }
    void successor.ended.then(() => {
      logger.error({ successor: successor.pid }, 'the successor has ended: this process goes on draining')
      this.state.orphan()
    })
    await registry.whenEmpty()
    await predecessor?.ended
    this.#isDrained.resolve()
  }

  #tellFigures(successor: Successor, before: string): void {
    const { registry, version, clock } = this.#options
    const own = { pid: process.pid, version, startedAt: this.#startedAt, sessions: registry.size }
    const processes = [own, ...this.predecessors]
    const told = JSON.stringify(processes)
    if (told !== before) successor.tell({ kind: 'draining', processes })
    this.#cancelFigures = clock.schedule(FIGURES_INTERVAL_MS, () => this.#tellFigures(successor, told))
  }

  #obey(message: ToPredecessor): void {
    if (message.kind === 'state') this.state.take(message.state)
    // Stopped by whoever stops the proxy, as that would do itself if it knew of this process.
    if (message.kind === 'stop' || message.kind === 'hurry') process.kill(process.pid, 'SIGTERM')
  }

  #takeDecision(decision: Decision, isSettled: boolean): void {
    if (!this.#hasHandedOver) this.#successor?.reconsider()
    const { predecessor } = this.#options
    if (predecessor === null || this.#isLeading || this.#hasHandedOver) return
    const isServing = decision.primary !== null
    const standing = `${isSettled} ${isServing}`
    if (standing === this.#standing) return
    this.#standing = standing
    predecessor.tell({ kind: 'standing', isSettled, isServing })
  }

  /** What is on disk holds for all. */
  #tellOthers(state: PersistentState): void {
    if (!this.#hasHandedOver) this.#successor?.tell({ kind: 'state', state })
    if (this.#isLeading || this.#hasHandedOver) this.#options.predecessor?.tell({ kind: 'state', state })
  }
}
