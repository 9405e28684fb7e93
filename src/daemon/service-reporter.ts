/**
 * Reports the life of the proxy to the service manager that started it, if any: composition layer, between the daemon's
 * events and the manager's protocol. Without a manager it does nothing and starts nothing.
 *
 * READY is said when every node has been asked once or a primary is proven, never later: a proxy whose cluster is down
 * is ready, it holds. Waiting for a primary would make the manager kill the very program that keeps the clients waiting.
 */
import process from 'node:process'
import type { Logger } from 'pino'
import type { Clock } from '../ports.ts'
import type { Decision } from '../topology/topology-state.ts'
import { HealthPulse } from './health-pulse.ts'
import { createNotifyHelper } from './notify-helper.ts'
import { ServiceManager } from './service-manager.ts'
import type { SystemdEnvironment } from './systemd-environment.ts'
import { Watchdog } from './watchdog.ts'

/** What the reporter must know of the probes to tell a slow one from one that never comes back. */
export interface ProbeSchedule {
  readonly members: readonly string[]
  readonly intervalMs: number
  readonly timeoutMs: number
}

/** So many turns of the health loop may be missed, and never less time than this: a busy machine is not a fault. */
const MISSED_TURNS_MAX = 3
const STALL_MS_MIN = 10_000

export interface ServiceReporterOptions {
  readonly systemd: SystemdEnvironment
  readonly path: string | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly schedule: () => ProbeSchedule
  /** What the status says besides the decision; `null`: nothing. */
  readonly note?: () => string | null
  /** Another process reports until `takeOver`. */
  readonly isSilent?: boolean
}

export class ServiceReporter {
  readonly #manager: ServiceManager | null
  readonly #watchdog: Watchdog | null
  readonly #pulse: HealthPulse
  readonly #note: () => string | null
  #isSilent: boolean
  #isStopping = false

  constructor({ systemd, path, clock, logger, schedule, note = () => null, isSilent = false }: ServiceReporterOptions) {
    this.#note = note
    this.#isSilent = isSilent
    const { notifySocket, watchdogMs } = systemd
    this.#pulse = new HealthPulse(clock)
    const manager =
      notifySocket === null
        ? null
        : new ServiceManager({
            sender: createNotifyHelper({ socket: notifySocket, path }),
            clock,
            logger,
            monotonicUsec: () => process.hrtime.bigint() / 1000n,
          })
    this.#manager = manager
    this.#watchdog =
      manager === null || watchdogMs === null
        ? null
        : new Watchdog({
            clock,
            logger,
            timeoutMs: watchdogMs,
            findStall: () => this.#findStall(schedule()),
            onAlive: () => manager.alive(),
          })
  }

  /** The parts are made; the probes come next. */
  starting(): void {
    if (!this.#isSilent) this.#manager?.status('starting: no node has been probed yet')
  }

  takeObservation(node: string): void {
    this.#pulse.beat(node)
  }

  /** `settled`: every node has been asked once. */
  takeDecision(decision: Decision, settled: boolean): void {
    if (this.#isStopping || this.#isSilent) return
    const note = this.#note()
    this.#manager?.status(`${decision.kind}: ${decision.reason}${note === null ? '' : `; ${note}`}`)
    if (!settled && decision.primary === null) return
    this.#manager?.ready()
    this.#watchdog?.start()
  }

  /** This process is the service from now on, and ready. */
  takeOver(): void {
    this.#isSilent = false
    this.#manager?.ready(process.pid)
    this.#watchdog?.start()
  }

  /** Another process is the service from now on: it says nothing more, not that it stops either. */
  async retire(): Promise<void> {
    this.#isSilent = true
    await this.close()
  }

  /** Says that a reload begins and, however `reload` ends, that it is over. */
  async whileReloading(reload: () => Promise<void>): Promise<void> {
    this.#manager?.reloading()
    try {
      await reload()
    } finally {
      this.#manager?.reloaded()
    }
  }

  /** Draining begins; the process ends `withinMs` from now at the latest. The probes go on, and so do the signs of life. */
  stopping({ graceMs, withinMs }: { readonly graceMs: number; readonly withinMs: number }): void {
    this.#isStopping = true
    if (this.#isSilent) return
    this.#manager?.status(`draining: running sessions may go on for up to ${Math.round(graceMs / 1000)} s`)
    this.#manager?.stopping(withinMs)
  }

  /** The last that happens. Nothing is left running. */
  async close(): Promise<void> {
    this.#watchdog?.stop()
    await this.#manager?.close()
  }

  #findStall({ members, intervalMs, timeoutMs }: ProbeSchedule): string | null {
    const limitMs = Math.max(STALL_MS_MIN, MISSED_TURNS_MAX * (intervalMs + timeoutMs))
    const stalled = this.#pulse.findStalled(members, limitMs)
    if (stalled === null) return null
    return `no probe of ${stalled.node} has come back for ${Math.round(stalled.sinceMs / 1000)} s`
  }
}
