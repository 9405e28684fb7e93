/**
 * The running proxy: makes the parts, wires them, starts them in order and stops them in reverse. Composition layer; the
 * only place that knows every part.
 *
 * Order of start: state file (can it be kept?), listeners and admin address (are they free?), then the probes. Clients
 * that come before the first decision are held like any others.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { formatListenerAddress } from '../config/address.ts'
import type { Config } from '../config/config.ts'
import { Admission } from '../net/admission.ts'
import { Session } from '../net/session.ts'
import { SessionRegistry } from '../net/session-registry.ts'
import { createSharedLookup } from '../net/shared-lookup.ts'
import type { AdminServer } from '../observability/admin-server.ts'
import { Metrics, type MetricsPage } from '../observability/metrics.ts'
import { listSessions, type SessionList, type SessionQuery } from '../observability/session-list.ts'
import { buildStatus, type Status } from '../observability/status.ts'
import type { Clock } from '../ports.ts'
import { HealthLoop } from '../probe/health-loop.ts'
import type { NodeAddress } from '../topology/observation.ts'
import { cancelTargets, isFresh } from '../topology/route-session.ts'
import { DecisionLog } from './decision-log.ts'
import { describeChanges } from './describe-changes.ts'
import { DescriptorGuard } from './descriptor-guard.ts'
import { ListenerSet } from './listener-set.ts'
import { createMonitorProber } from './monitor-prober.ts'
import { openAdmin } from './open-admin.ts'
import { restoreState } from './restore-state.ts'
import { ServiceReporter } from './service-reporter.ts'
import { SessionEnvironments } from './session-environments.ts'
import { admissionSettings, healthSettings, isAccessChanged, sessionSettings } from './settings.ts'
import { StateFile } from './state-file.ts'
import { NO_SYSTEMD, type SystemdEnvironment } from './systemd-environment.ts'
import { admissionEvents, healthEvents } from './tell-events.ts'
import { Terminations } from './terminations.ts'

/** How long the last words of all sessions may take to leave, at the very end. */
const FAREWELL_MS = 2_000
/** What the rest of a stop may take, beyond grace and last words: it is said to the service manager, which kills then. */
const STOP_SLACK_MS = 10_000

export interface DaemonOptions {
  readonly config: Config
  /** The admin token, read from its file already; `null`: orders are off. */
  readonly adminToken: string | null
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly logger: Logger
  readonly version: string
  /** How many files this process may have open; left out: not known. */
  readonly readDescriptorLimit?: () => number | null
  /** What systemd has handed over, and wants to be told; left out: nothing. */
  readonly systemd?: SystemdEnvironment
}

export class Daemon {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #version: string
  readonly #environment: DaemonOptions['environment']
  readonly #adminToken: string | null
  readonly #startedAt: number
  readonly #registry = new SessionRegistry()
  readonly #admission: Admission
  readonly #decisionLog: DecisionLog
  readonly #metrics: Metrics
  readonly #stateFile: StateFile
  readonly #lookup = createSharedLookup()
  readonly #listeners: ListenerSet
  readonly #descriptors: DescriptorGuard
  readonly #service: ServiceReporter
  readonly #terminations: Terminations
  readonly #environments: SessionEnvironments
  #config: Config
  #health: HealthLoop | null = null
  #admin: AdminServer | null = null
  #isDraining = false

  constructor(options: DaemonOptions) {
    this.#config = options.config
    this.#clock = options.clock
    this.#logger = options.logger
    this.#version = options.version
    this.#environment = options.environment
    this.#adminToken = options.adminToken
    this.#startedAt = options.clock.now()
    this.#decisionLog = new DecisionLog(options.logger)
    this.#metrics = new Metrics(options.clock)
    this.#stateFile = new StateFile(options.config.stateDir)
    const { clock, logger, readDescriptorLimit = () => null, systemd = NO_SYSTEMD } = options
    this.#descriptors = new DescriptorGuard({ readLimit: readDescriptorLimit, registry: this.#registry, logger })
    this.#listeners = new ListenerSet({ systemd, logger, onConnection: (socket, key) => this.#accept(socket, key) })
    this.#service = new ServiceReporter({
      systemd,
      path: options.environment['PATH'],
      clock,
      logger,
      schedule: () => ({
        ...this.#config.monitor,
        members: this.#health?.snapshot.members.map((member) => member.name) ?? [],
      }),
    })
    this.#admission = new Admission({
      clock: options.clock,
      registry: this.#registry,
      settings: admissionSettings(options.config),
      events: admissionEvents({ logger: options.logger, metrics: this.#metrics }),
    })
    this.#terminations = new Terminations({ clock, logger })
    this.#environments = this.#createEnvironments()
  }

  /** Rejects with a StartError; then nothing is left open. */
  async start(): Promise<void> {
    this.#service.starting()
    try {
      const health = await this.#createHealthLoop()
      this.#health = health
      this.#descriptors.check(this.#config.limits.maxSessions)
      const takeCertificates = await this.#terminations.prepare(this.#config.listeners)
      takeCertificates()
      await this.#listeners.openMissing(this.#config.listeners)
      this.#listeners.closeOthers(this.#config.listeners)
      await this.#openAdmin(health)
      health.start()
    } catch (error) {
      this.#listeners.close()
      this.#terminations.close()
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
    return this.#admin?.address ?? null
  }

  /**
   * Takes over what can change while sessions run, and says what changed and what waits for a restart. Nothing is
   * changed when a new listener cannot be opened: then it rejects with a StartError.
   */
  async reload(config: Config): Promise<void> {
    // A closing terminal sends SIGTERM and SIGHUP together: what is being stopped must not come back to life.
    if (this.#isDraining) return this.#logger.info('not reloaded: the proxy is stopping')
    const before = this.#config
    const takeCertificates = await this.#terminations.prepare(config.listeners)
    await this.#listeners.openMissing(config.listeners)
    if (this.#isDraining) return this.#listeners.close()
    this.#listeners.closeOthers(config.listeners)
    takeCertificates()
    const { live, afterRestart } = describeChanges(before, config)
    const log = { ...config.log, format: before.log.format }
    this.#config = { ...config, admin: before.admin, stateDir: before.stateDir, workers: before.workers, log }
    this.#logger.level = config.log.level
    this.#descriptors.check(config.limits.maxSessions)
    this.#admission.configure(admissionSettings(config))
    this.#health?.configure(healthSettings(config), { renewProbers: isAccessChanged(before.monitor, config.monitor) })
    this.#logger.info(
      { changed: live },
      live.length === 0 ? 'configuration reloaded: nothing changed' : 'configuration reloaded',
    )
    if (afterRestart.length > 0) this.#logger.warn({ changed: afterRestart }, 'these changes need a restart')
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
    this.#isDraining = true
    const { graceMs } = this.#config.shutdown
    this.#service.stopping({ graceMs, withinMs: graceMs + FAREWELL_MS + STOP_SLACK_MS })
    this.#listeners.close()
    for (const session of this.#registry.all()) session.stopIfWaiting()
    this.#logger.info({ sessions: this.#registry.size, graceMs }, 'draining')
    await this.#drained(graceMs, hurry)
    const left = this.#registry.all()
    for (const session of left) session.stop()
    await this.#drained(FAREWELL_MS, hurry)
    for (const session of this.#registry.all()) session.destroy()
    await this.#health?.stop()
    this.#admission.close()
    this.#terminations.close()
    await this.#admin?.close()
    await this.#service.close()
    this.#logger.info({ sessionsEnded: left.length }, 'stopped')
  }

  status(): Status {
    const health = this.#health
    if (health === null) throw new Error('the daemon has not been started')
    const { decision, state, members, evidence } = health.snapshot
    return buildStatus({
      decision,
      state,
      members,
      evidence,
      sessionCountOn: (node) => this.#registry.countOn(node),
      sessions: {
        active: this.#registry.size - this.#admission.heldCount,
        held: this.#admission.heldCount,
        accepted: this.#registry.acceptedCount,
        ended: this.#registry.endedCounts,
      },
      listeners: this.listenAddresses,
      isDraining: this.#isDraining,
      version: this.#version,
      startedAt: this.#startedAt,
      now: this.#clock.now(),
      wallTime: this.#clock.wallTime(),
    })
  }

  sessions(query: SessionQuery): SessionList {
    return listSessions(this.#registry.all(), query, { now: this.#clock.now(), wallTime: this.#clock.wallTime() })
  }

  #isReady(): boolean {
    const decision = this.#admission.decision
    if (this.#isDraining || decision === null || decision.primary === null) return false
    const context = { decision, now: this.#clock.now(), decisionTtlMs: this.#config.monitor.decisionTtlMs }
    return isFresh(context) && this.#listeners.isOpen
  }

  // --- The parts ---------------------------------------------------------------------------------------------------

  async #createHealthLoop(): Promise<HealthLoop> {
    const restored = await restoreState(this.#stateFile, this.#logger)
    return new HealthLoop({
      clock: this.#clock,
      store: this.#stateFile,
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
      events: healthEvents(this.#admission, {
        logger: this.#logger,
        decisionLog: this.#decisionLog,
        metrics: this.#metrics,
        service: this.#service,
        stateFilePath: this.#stateFile.path,
      }),
    })
  }

  #createEnvironments(): SessionEnvironments {
    return new SessionEnvironments(
      {
        settings: () => sessionSettings(this.#config, this.#descriptors.sessionsMax),
        addressOf: (node) => this.#addressOf(node),
        cancelTargets: (request) => cancelTargets(request, this.#admission.decision),
        onHint: (node, hint) => this.#health?.hint(node, { fresh: hint === 'not-accepting' }),
        onDialed: (node, errno) => this.#metrics.takeDial(node, errno),
        admission: this.#admission,
        registry: this.#registry,
        clock: this.#clock,
        lookup: this.#lookup,
        logger: this.#logger,
      },
      (config) => this.#terminations.of(config),
    )
  }

  #accept(socket: Socket, key: string): void {
    const config = this.#config.listeners.find((listener) => formatListenerAddress(listener.address) === key)
    // Out of the file by a reload that closes its listener in a moment.
    if (config === undefined || !this.#descriptors.admits(socket)) {
      socket.destroy()
      return
    }
    const { clientMs } = this.#config.keepalive
    if (clientMs > 0) socket.setKeepAlive(true, clientMs)
    new Session(socket, this.#environments.of(config))
  }

  #addressOf(node: string): NodeAddress | null {
    return this.#health?.snapshot.members.find((member) => member.name === node)?.address ?? null
  }

  async #openAdmin(health: HealthLoop): Promise<void> {
    const { admin } = this.#config
    if (admin === null) return
    this.#admin = await openAdmin({
      address: admin.address,
      hosts: admin.hosts,
      token: this.#adminToken,
      logger: this.#logger,
      actions: {
        status: () => this.status(),
        sessions: (query) => this.sessions(query),
        isReady: () => this.#isReady(),
        metrics: () => this.#metricsPage(health),
        accept: (node) => health.accept(node),
        fence: (node) => health.fence(node),
        unfence: (node) => health.unfence(node),
      },
    })
    // Nobody could ask for it otherwise.
    this.#metrics.watchProcess()
  }

  async #metricsPage(health: HealthLoop): Promise<MetricsPage> {
    return await this.#metrics.page({
      status: this.status(),
      health: health.snapshot,
      sessions: this.#registry.figures,
      listeners: this.#config.listeners.map((listener) => formatListenerAddress(listener.address)),
      limits: {
        sessionsMax: this.#config.limits.maxSessions,
        heldMax: admissionSettings(this.#config).holdSessionsMax,
      },
      isReady: this.#isReady(),
      now: this.#clock.now(),
    })
  }

  /** Resolves when no session is left, the grace is over, or somebody is in a hurry. */
  async #drained(graceMs: number, hurry: Promise<void>): Promise<void> {
    let cancelTimer = (): void => undefined
    const graceOver = new Promise<void>((resolve) => {
      cancelTimer = this.#clock.schedule(graceMs, resolve)
    })
    await Promise.race([this.#registry.whenEmpty(), graceOver, hurry])
    cancelTimer()
  }
}
