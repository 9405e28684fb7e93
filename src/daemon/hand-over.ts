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
import process from 'node:process'
import { formatListenerAddress } from '../config/address.ts'
import type { Clock, PersistentState } from '../ports.ts'
import type { HealthEvents, HealthLoop } from '../probe/health-loop.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { SessionHost } from '../workers/session-host.ts'
import type { DrainingProcess, ToPredecessor } from './hand-over-messages.ts'
import { bequeath } from './inheritance.ts'
import { SharedState } from './shared-state.ts'
import { ownProgram, type Program, Successor } from './successor.ts'
import type { SystemdEnvironment } from './systemd-environment.ts'
import { TakeOver, type TakeOverOptions } from './take-over.ts'

/** How often the process that drains says how many sessions it has left. */
const FIGURES_INTERVAL_MS = 1_000

export interface HandOverOptions extends TakeOverOptions {
  /** What a successor is started as; left out: as this process. */
  readonly program?: Program
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly systemd: SystemdEnvironment
  readonly version: string
  readonly clock: Clock
  readonly sessions: () => Pick<SessionHost, 'size' | 'whenEmpty' | 'bindLog'>
  readonly health: () => HealthLoop | null
  /** Why nothing can be handed over just now, in words; `null`: it can. */
  readonly obstacle: () => string | null
}

export class HandOver {
  /** Epoch and fences, as all processes of the proxy have them. */
  readonly state: SharedState
  /** The start of this process. */
  readonly takeOver: TakeOver
  /** Resolves when all was handed over, and nobody is left here or their time is over. */
  readonly drained: Promise<void>
  readonly #options: HandOverOptions
  readonly #startedAt: string
  readonly #isDrained = Promise.withResolvers<void>()
  #successor: Successor | null = null
  #hasHandedOver = false
  #isGraceOver = false
  #isClosed = false
  #cancelGrace: () => void = () => undefined
  #cancelFigures: () => void = () => undefined

  constructor(options: HandOverOptions) {
    const { predecessor, clock, stateFile: file } = options
    this.#options = options
    this.#startedAt = clock.wallTime().toISOString()
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
    this.takeOver = new TakeOver(options, this.state)
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
    const pid = await successor.pid
    if (pid !== null) logger.info({ successor: pid }, 'upgrade: a successor was started')
    const outcome = await successor.outcome
    if (outcome.kind === 'taken-over') return await this.#handOverTo(successor, pid, outcome.graceMs)
    this.#successor = null
    successor.release()
    const { problem, words } = outcome
    logger.error({ successor: pid, problem, words }, 'the upgrade failed: this process goes on')
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
    this.#isClosed = true
    this.#cancelGrace()
    this.#cancelFigures()
    this.#successor?.release()
  }

  #obstacle(): string | null {
    if (this.#hasHandedOver) return 'this process has handed over already'
    if (this.#successor !== null) return 'a successor is being started already'
    if (!this.takeOver.isDone) return 'this process is still taking over'
    // The first process of a container takes all others with it.
    if (process.pid === 1) return 'process 1 cannot be replaced by another: run two proxies, and replace one at a time'
    return this.#options.obstacle()
  }

  #start(): Successor {
    const {
      program = ownProgram(),
      environment,
      systemd,
      version,
      clock,
      config,
      listeners,
      admin,
      health,
    } = this.#options
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

  async #handOverTo(successor: Successor, pid: number | null, graceMs: number | null): Promise<void> {
    const { listeners, service, admin, failovers, sessions, logger, clock, predecessor } = this.#options
    this.#hasHandedOver = true
    listeners.close({ keepFiles: true })
    void admin()?.server.handOver()
    successor.onHeard((message) => this.#obey(message))
    await service.retire()
    await failovers.close()
    successor.tell({ kind: 'handed-over', state: await this.state.follow() })
    logger.info({ successor: pid, sessions: sessions().size, graceMs }, 'handed over: draining')
    logger.setBindings({ draining: process.pid })
    sessions().bindLog({ draining: process.pid })
    this.#tellFigures(successor, '')
    if (graceMs !== null) {
      const onOver = (): void => {
        this.#isGraceOver = true
        this.#isDrained.resolve()
      }
      this.#cancelGrace = clock.schedule(graceMs, onOver)
    }
    void successor.ended.then(() => {
      if (this.#isClosed) return
      logger.error({ successor: pid }, 'the successor has ended: this process goes on draining')
      this.state.orphan()
    })
    await sessions().whenEmpty()
    await predecessor?.ended
    this.#isDrained.resolve()
  }

  #tellFigures(successor: Successor, before: string): void {
    const { sessions, version, clock } = this.#options
    const own = { pid: process.pid, version, startedAt: this.#startedAt, sessions: sessions().size }
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
    this.takeOver.takeDecision(decision, isSettled)
    const { obstacle } = this.#options
    if (!this.#hasHandedOver && this.#successor !== null) {
      // An order to drain would be lost with this process.
      const problem = obstacle()
      if (problem === null) this.#successor.reconsider()
      else this.#successor.giveUp(problem)
    }
  }

  /** What is on disk holds for all. */
  #tellOthers(state: PersistentState): void {
    if (!this.#hasHandedOver) this.#successor?.tell({ kind: 'state', state })
    if (this.takeOver.isDone) this.#options.predecessor?.tell({ kind: 'state', state })
  }
}
