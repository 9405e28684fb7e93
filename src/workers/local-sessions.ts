/**
 * The sessions of one process, with all that they share: admission, registry, certificates, limits. Composition layer.
 * The proxy has them in its own process with `workers: 1`, and once in each worker otherwise; who decides, and who
 * accepts connections, is not known here.
 */
import type { LookupFunction, Socket } from 'node:net'
import type { Logger } from 'pino'
import { formatListenerAddress } from '../config/address.ts'
import { Admission } from '../net/admission.ts'
import { RememberedLookup } from '../net/remembered-lookup.ts'
import { Session } from '../net/session.ts'
import type { SessionEnvironment } from '../net/session-environment.ts'
import { SessionRegistry } from '../net/session-registry.ts'
import { type PickedSessions, pickSessions, type SessionQuery } from '../observability/session-list.ts'
import type { WorkerStatus } from '../observability/status.ts'
import type { Clock } from '../ports.ts'
import type { CloseReasonKind } from '../session/close-reason.ts'
import type { SessionFigures } from '../session/session-figures.ts'
import type { NodeAddress } from '../topology/observation.ts'
import { cancelTargets, type RouteRequest, type Routing } from '../topology/route-session.ts'
import type { Decision } from '../topology/topology-state.ts'
import { DescriptorGuard } from './descriptor-guard.ts'
import { endSessions } from './end-sessions.ts'
import { SessionEnvironments } from './session-environments.ts'
import type { SessionHost, SessionNews } from './session-host.ts'
import { admissionSettings, type HostedConfig, sessionSettings } from './session-settings.ts'
import { Terminations } from './terminations.ts'

export interface LocalSessionsOptions {
  readonly config: HostedConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly lookup: LookupFunction
  /** How many files this process may have open; `null` when that is not known. */
  readonly readDescriptorLimit: () => number | null
  /** `null` when the node is no longer a member. */
  readonly addressOf: (node: string) => NodeAddress | null
  readonly news: SessionNews
  /** In a worker. */
  readonly among?: {
    /** Its number, for the list of sessions. */
    readonly worker: number
    /** Sessions have come or gone, or are on another node. */
    readonly onChange: () => void
    /** Asks the others for the node of the session that owns a cancel key. */
    readonly findCancelNode: (key: string) => Promise<string | null>
    readonly places: NonNullable<SessionEnvironment['places']>
  }
}

export class LocalSessions implements SessionHost {
  readonly workers: readonly WorkerStatus[] = []
  readonly lostWorkerCount = 0
  readonly #options: LocalSessionsOptions
  readonly #addresses: RememberedLookup
  readonly #registry: SessionRegistry
  readonly #admission: Admission
  readonly #descriptors: DescriptorGuard
  readonly #terminations: Terminations
  readonly #environments: SessionEnvironments
  #config: HostedConfig

  constructor(options: LocalSessionsOptions) {
    const { config, clock, logger, lookup, readDescriptorLimit, addressOf, news, among } = options
    const registry = new SessionRegistry(among)
    this.#addresses = new RememberedLookup({ lookup, clock })
    this.#registry = registry
    this.#options = options
    this.#config = config
    this.#descriptors = new DescriptorGuard({ readLimit: readDescriptorLimit, registry, logger })
    this.#admission = new Admission({ clock, registry, settings: admissionSettings(config), events: news })
    this.#terminations = new Terminations({ clock, logger })
    this.#environments = new SessionEnvironments(
      {
        settings: () => sessionSettings(this.#config, this.#descriptors.sessionsMax),
        addressOf,
        cancelTargets: (request) => cancelTargets(request, this.#admission.decision),
        ...(among === undefined ? {} : { findCancelNode: among.findCancelNode, places: among.places }),
        onHint: news.onHint,
        onDialed: (node, errno) => {
          if (errno !== null) this.#addresses.forget()
          news.onDialed(node, errno)
        },
        admission: this.#admission,
        lookup: this.#addresses.lookup,
        ...{ registry, clock, logger },
      },
      (listener) => this.#terminations.of(listener),
    )
  }

  get size(): number {
    return this.#registry.size
  }

  /** As many as there may be. */
  get sessionsMax(): number {
    return this.#config.limits.maxSessions
  }

  /** Sessions from one address are limited. */
  get limitsAddresses(): boolean {
    return this.#config.limits.maxSessionsPerAddress > 0
  }

  get heldCount(): number {
    return this.#admission.heldCount
  }

  get totals(): { readonly held: number; readonly released: number } {
    return this.#admission.totals
  }

  get acceptedCount(): number {
    return this.#registry.acceptedCount
  }

  get endedCounts(): Readonly<Record<CloseReasonKind, number>> {
    return this.#registry.endedCounts
  }

  countOn(node: string): number {
    return this.#registry.countOn(node)
  }

  /** Nodes with sessions, and how many. */
  get countsByNode(): ReadonlyMap<string, number> {
    return this.#registry.countsByNode
  }

  /** The node of the session that owns the cancel key, if it is one of these. */
  cancelNode(key: string): string | null {
    return this.#registry.nodeOfCancelKey(key)
  }

  async start(): Promise<void> {
    this.#descriptors.check(this.#config.limits.maxSessions)
    const takeCertificates = await this.#terminations.prepare(this.#config.listeners)
    takeCertificates()
  }

  async prepare(config: HostedConfig): Promise<() => void> {
    const takeCertificates = await this.#terminations.prepare(config.listeners)
    return () => {
      takeCertificates()
      this.#config = config
      this.#descriptors.check(config.limits.maxSessions)
      this.#admission.configure(admissionSettings(config))
    }
  }

  /** `id`: the number of the session; left out: the next one. */
  accept(socket: Socket, listener: string, id?: number): void {
    const config = this.#config.listeners.find(({ address }) => formatListenerAddress(address) === listener)
    // Out of the file by a reload that closes its listener in a moment.
    if (config === undefined || !this.#descriptors.admits(socket)) {
      socket.destroy()
      return
    }
    const { clientMs } = this.#config.keepalive
    if (clientMs > 0) socket.setKeepAlive(true, clientMs)
    if (id !== undefined) this.#registry.numberNext(id)
    new Session(socket, this.#environments.of(config))
  }

  takeDecision(decision: Decision, onFenced: (endedCount: number) => void): void {
    this.#forgetAddresses(decision)
    this.#admission.takeDecision(decision, onFenced)
  }

  /** The first half of a decision; see admission.ts. Returns how many sessions were ended. */
  fence(decision: Decision): number {
    this.#forgetAddresses(decision)
    return this.#admission.fence(decision)
  }

  /** The second half: all processes have fenced. */
  admit(): void {
    this.#admission.admit()
  }

  /** The same decision with newer proofs. */
  renew(decision: Decision): void {
    this.#admission.renew(decision)
  }

  preview(request: RouteRequest): Routing {
    return this.#admission.preview(request)
  }

  async refresh(): Promise<void> {}

  async pickSessions(query: SessionQuery): Promise<readonly PickedSessions[]> {
    return [pickSessions(this.#registry.all(), query, this.#options.among?.worker ?? null)]
  }

  async figures(): Promise<SessionFigures> {
    return this.#registry.figures
  }

  endWaiting(): void {
    for (const session of this.#registry.all()) session.stopIfWaiting()
  }

  async whenEmpty(): Promise<void> {
    await this.#registry.whenEmpty()
  }

  async end({ graceMs, hurry }: { readonly graceMs: number; readonly hurry: Promise<void> }): Promise<number> {
    return await endSessions({ registry: this.#registry, clock: this.#options.clock, graceMs, hurry })
  }

  /** The log of this process is set by whoever has made it. */
  setLogLevel(): void {}

  bindLog(): void {}

  async close(): Promise<void> {
    this.#admission.close()
    this.#environments.close()
    this.#terminations.close()
  }

  /** Servers that change their roles have been restarted, and may have changed their addresses as well. */
  #forgetAddresses({ primary }: Decision): void {
    if (primary !== this.#admission.decision?.primary) this.#addresses.forget()
  }
}
