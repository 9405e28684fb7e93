/**
 * The running proxy: makes the parts, wires them, starts them in order and stops them in reverse. Composition layer; the
 * only place that knows every part.
 *
 * Order of start: state file (can it be kept?), listeners and admin address (are they free?), then the probes. Clients
 * that come before the first decision are held like any others.
 */
import { availableParallelism } from 'node:os'
import type { Logger } from 'pino'
import type { Config, LogLevel } from '../config/config.ts'
import { createSharedLookup } from '../net/shared-lookup.ts'
import { Metrics } from '../observability/metrics.ts'
import type { Status } from '../observability/status.ts'
import type { Clock, NodeIdentity } from '../ports.ts'
import { HealthLoop, type HealthSnapshot } from '../probe/health-loop.ts'
import { FAREWELL_MS } from '../workers/end-sessions.ts'
import { LocalSessions } from '../workers/local-sessions.ts'
import type { SessionHost, SessionNews } from '../workers/session-host.ts'
import { workerCount } from '../workers/shares.ts'
import { WorkerPool } from '../workers/worker-pool.ts'
import { createAdminActions } from './admin-actions.ts'
import type { DaemonOptions } from './daemon-options.ts'
import { DecisionLog } from './decision-log.ts'
import { describeChanges } from './describe-changes.ts'
import { DrainOrder } from './drain-order.ts'
import { FailoverRecorder } from './failover-recorder.ts'
import { HandOver } from './hand-over.ts'
import { JournalFile } from './journal-file.ts'
import { ListenerSet } from './listener-set.ts'
import { liveConfig } from './live-config.ts'
import { LogLevelOrder } from './log-level-order.ts'
import { createMonitorProber } from './monitor-prober.ts'
import type { Observer } from './observer.ts'
import { type OpenAdmin, openAdmin } from './open-admin.ts'
import { ProxyView } from './proxy-view.ts'
import { ServiceReporter } from './service-reporter.ts'
import { healthSettings, isAccessChanged } from './settings.ts'
import { StateFile } from './state-file.ts'
import { NO_SYSTEMD } from './systemd-environment.ts'
import { tellChanges } from './tell-changes.ts'
import { admissionEvents, healthEvents } from './tell-events.ts'

/** What the rest of a stop may take, beyond grace and last words: it is said to the service manager, which kills then. */
const STOP_SLACK_MS = 10_000

export class Daemon {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #environment: DaemonOptions['environment']
  readonly #sessions: SessionHost
  readonly #decisionLog: DecisionLog
  readonly #metrics: Metrics
  readonly #failovers: FailoverRecorder
  readonly #stateFile: StateFile
  readonly #lookup = createSharedLookup()
  readonly #listeners: ListenerSet
  readonly #service: ServiceReporter
  readonly #drain: DrainOrder
  readonly #logLevel: LogLevelOrder
  readonly #handOver: HandOver
  readonly #observer: Observer | null
  readonly #view: ProxyView
  #config: Config
  #adminToken: string | null
  #health: HealthLoop | null = null
  #admin: OpenAdmin | null = null
  #isStopping = false

  constructor(options: DaemonOptions) {
    this.#config = options.config
    this.#clock = options.clock
    this.#logger = options.logger
    this.#environment = options.environment
    this.#observer = options.observer ?? null
    this.#adminToken = options.adminToken
    this.#decisionLog = new DecisionLog(options.logger, options.clock)
    const onLevel = (level: LogLevel): void => this.#sessions.setLogLevel(level)
    this.#logLevel = new LogLevelOrder({ ...options, configured: options.config.log.level, onLevel })
    this.#metrics = new Metrics(options.clock)
    this.#stateFile = new StateFile(options.config.stateDir)
    const { clock, logger, readDescriptorLimit = () => null, systemd = NO_SYSTEMD, predecessor = null } = options
    this.#listeners = new ListenerSet({
      systemd,
      ...(predecessor === null ? {} : { inherited: predecessor.inheritance.listeners }),
      logger,
      onConnection: (socket, key) => this.#sessions.accept(socket, key),
    })
    this.#service = new ServiceReporter({
      systemd,
      path: options.environment['PATH'],
      clock,
      logger,
      schedule: () => ({
        ...this.#config.monitor,
        members: this.#health?.snapshot.members.map((member) => member.name) ?? [],
      }),
      note: () => this.#handOver.note,
      isSilent: predecessor !== null,
    })
    this.#failovers = new FailoverRecorder({
      clock,
      logger,
      file: new JournalFile(options.config.stateDir),
      sessions: () => this.#sessions,
      onChange: (before, after) => this.#metrics.takeFailover(before, after),
    })
    this.#sessions = this.#createSessions(readDescriptorLimit)
    const config = (): Config => this.#config
    const [sessions, listeners] = [this.#sessions, this.#listeners]
    this.#drain = new DrainOrder({ listeners, sessions, config, isStopping: () => this.#isStopping, logger })
    this.#handOver = new HandOver({
      ...{ ...options, predecessor, systemd, config, sessions: () => sessions, listeners },
      stateFile: this.#stateFile,
      service: this.#service,
      failovers: this.#failovers,
      health: () => this.#health,
      admin: () => this.#admin,
      obstacle: () => (this.#isStopping || this.#drain.isOn ? 'the proxy is draining' : null),
    })
    this.#view = new ProxyView({
      config,
      health: () => this.#snapshot,
      sessions,
      listeners,
      metrics: this.#metrics,
      isDraining: () => this.#isStopping || this.#drain.isOn,
      predecessors: () => this.#handOver.predecessors,
      clock,
      version: options.version,
    })
  }

  /** Rejects with a StartError; then nothing is left open. */
  async start(): Promise<void> {
    this.#service.starting()
    try {
      const health = await this.#createHealthLoop()
      this.#health = health
      await this.#sessions.start()
      await this.#handOver.takeOver.awaitTurn(health)
      await this.#listeners.openMissing(this.#config.listeners)
      this.#listeners.closeOthers(this.#config.listeners)
      await this.#openAdmin(health)
      await this.#handOver.takeOver.begin(health)
    } catch (error) {
      await this.#health?.stop()
      this.#listeners.close()
      await this.#sessions.close()
      await this.#admin?.close()
      await this.#service.close()
      throw error
    }
  }

  /** `listen` addresses as they were opened. */
  get listenAddresses(): string[] {
    return this.#listeners.addresses
  }

  get adminAddress(): string | null {
    return this.#admin?.server.address ?? null
  }

  /**
   * Takes over what can change while sessions run, and says what changed and what waits for a restart. Nothing is
   * changed when a new listener cannot be opened: then it rejects with a StartError. `adminToken`: read anew; left out: as it was.
   */
  async reload(config: Config, adminToken: string | null = this.#adminToken): Promise<void> {
    // A closing terminal sends SIGTERM and SIGHUP together: what is being stopped must not come back to life.
    if (this.#isStopping || this.#handOver.isOver) return this.#logger.info('not reloaded: the proxy is stopping')
    const before = this.#config
    const takeSessionSettings = await this.#sessions.prepare(config)
    await this.#listeners.openMissing(config.listeners)
    if (this.#isStopping || this.#handOver.isOver) return this.#listeners.close()
    this.#listeners.closeOthers(config.listeners)
    takeSessionSettings()
    const changes = describeChanges(before, config, { isTokenNew: adminToken !== this.#adminToken })
    this.#config = liveConfig(before, config)
    this.#adminToken = adminToken
    this.#logLevel.configure(config.log.level)
    this.#admin?.server.configure({ hosts: this.#config.admin?.hosts ?? [], token: adminToken })
    this.#health?.configure(healthSettings(config), { renewProbers: isAccessChanged(before.monitor, config.monitor) })
    tellChanges(this.#logger, changes)
  }

  /** Tells the service manager that `reload` begins, and that it is over; it resolves to what became of it. */
  async whileReloading(reload: () => Promise<boolean>): Promise<void> {
    await this.#service.whileReloading(async () => this.#metrics.takeReload(await reload()))
  }

  /**
   * Stops admitting, lets running sessions go on for at most `shutdown.grace` while probing and fencing continue, ends
   * those that are left, then stops everything. `hurry` resolves when the grace is over before its time.
   */
  async stop(hurry: Promise<void>): Promise<void> {
    this.#isStopping = true
    const graceMs = this.#handOver.isGraceOver ? 0 : this.#config.shutdown.graceMs
    const withinMs = graceMs + FAREWELL_MS + STOP_SLACK_MS
    this.#service.stopping({ graceMs, withinMs })
    this.#handOver.stopping(hurry)
    this.#listeners.close()
    this.#sessions.endWaiting()
    this.#logger.info({ sessions: this.#sessions.size, graceMs }, 'draining')
    const sessionsEnded = await this.#sessions.end({ graceMs, hurry })
    await this.#handOver.close(withinMs)
    await this.#health?.stop()
    await this.#sessions.close()
    this.#logLevel.close()
    await this.#failovers.close()
    await this.#admin?.close()
    await this.#service.close()
    this.#logger.info({ sessionsEnded }, 'stopped')
  }

  /** Starts a new process that takes over; this one ends when its last session has. */
  async upgrade(): Promise<void> {
    await this.#handOver.upgrade()
  }

  /** Resolves when all was handed over, and nobody is left here or their time is over: then it is to be stopped. */
  get drained(): Promise<void> {
    return this.#handOver.drained
  }

  status(): Status {
    return this.#view.status()
  }

  get #snapshot(): HealthSnapshot {
    if (this.#health === null) throw new Error('the daemon has not been started')
    return this.#health.snapshot
  }

  // --- The parts ---------------------------------------------------------------------------------------------------

  async #createHealthLoop(): Promise<HealthLoop> {
    const restored = await this.#handOver.takeOver.restore()
    return new HealthLoop({
      clock: this.#clock,
      store: this.#handOver.state,
      settings: healthSettings(this.#config),
      restored,
      createProber: (node) =>
        createMonitorProber(node, {
          monitor: this.#config.monitor,
          environment: this.#environment,
          clock: this.#clock,
          lookup: this.#lookup,
          logger: this.#logger,
          onSessionLost: () => this.#health?.hint(node.name, { fresh: false }),
        }),
      events: this.#handOver.watch(
        healthEvents(this.#sessions, {
          logger: this.#logger,
          decisionLog: this.#decisionLog,
          metrics: this.#metrics,
          failovers: this.#failovers,
          service: this.#service,
          observer: this.#observer,
          stateFilePath: this.#stateFile.path,
        }),
      ),
    })
  }

  #createSessions(readDescriptorLimit: () => number | null): SessionHost {
    const [config, logger, metrics, failovers] = [this.#config, this.#logger, this.#metrics, this.#failovers]
    const members = (): readonly NodeIdentity[] => this.#health?.snapshot.members ?? []
    const news: SessionNews = {
      ...admissionEvents({ logger, metrics, failovers }),
      onHint: (node, hint) => this.#health?.hint(node, { fresh: hint === 'not-accepting' }),
      onDialed: (node, errno) => metrics.takeDial(node, errno),
    }
    const shared = { config, clock: this.#clock, logger, readDescriptorLimit, news }
    // Whoever only observes takes no sessions.
    const wanted = this.#observer === null ? config.workers : 1
    const count = workerCount(wanted, availableParallelism(), config.limits.maxSessions)
    if (count > 1) return new WorkerPool({ ...shared, count, log: config.log, environment: this.#environment, members })
    const addressOf = (node: string) => members().find(({ name }) => name === node)?.address ?? null
    return new LocalSessions({ ...shared, lookup: this.#lookup, addressOf })
  }

  async #openAdmin(health: HealthLoop): Promise<void> {
    const { admin } = this.#config
    const inheritedFd = this.#handOver.takeOver.takeAdminSocket(admin?.address)
    if (admin === null) return
    this.#admin = await openAdmin({
      ...{ ...admin, inheritedFd },
      token: this.#adminToken,
      clock: this.#clock,
      logger: this.#logger,
      metrics: this.#metrics,
      actions: createAdminActions({
        view: this.#view,
        failovers: this.#failovers,
        health,
        drain: this.#drain,
        logLevel: this.#logLevel,
        observer: this.#observer,
        probeTimeoutMs: () => this.#config.monitor.timeoutMs,
      }),
    })
    // Nobody could ask for it otherwise.
    this.#metrics.watchProcess()
  }
}
