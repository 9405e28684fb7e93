/**
 * What the running proxy shows of itself: status, sessions, metrics, whether it is ready, what becomes of a new session.
 * Composition layer: it gathers what the parts know, and changes nothing.
 */
import type { Outlook, RoutingView } from '../admin/patroni-endpoints.ts'
import { formatListenerAddress } from '../config/address.ts'
import type { Config } from '../config/config.ts'
import type { Metrics, MetricsPage } from '../observability/metrics.ts'
import type { Glance } from '../observability/session-history.ts'
import { listSessions, type SessionList, type SessionQuery } from '../observability/session-list.ts'
import { buildStatus, type Status } from '../observability/status.ts'
import type { Clock } from '../ports.ts'
import type { HealthSnapshot } from '../probe/health-loop.ts'
import { isFresh, type RouteRequest } from '../topology/route-session.ts'
import type { SessionHost } from '../workers/session-host.ts'
import { admissionSettings, routeRequest } from '../workers/session-settings.ts'
import type { ListenerSet } from './listener-set.ts'
import { healthSettings } from './settings.ts'

export interface ProxyViewOptions {
  readonly config: () => Config
  /** Throws before the start. */
  readonly health: () => HealthSnapshot
  readonly sessions: SessionHost
  readonly listeners: ListenerSet
  readonly metrics: Metrics
  /** By a stop, or by an operator's order. */
  readonly isDraining: () => boolean
  readonly predecessors: () => Status['predecessors']
  readonly clock: Clock
  readonly version: string
}

export class ProxyView {
  readonly #options: ProxyViewOptions
  readonly #startedAt: number

  constructor(options: ProxyViewOptions) {
    this.#options = options
    this.#startedAt = options.clock.now()
  }

  status(): Status {
    const { health, sessions, listeners, isDraining, predecessors, clock, version } = this.#options
    const { decision, state, members, evidence } = health()
    return buildStatus({
      decision,
      state,
      members,
      evidence,
      policy: healthSettings(this.#options.config()).policy,
      sessionCountOn: (node) => sessions.countOn(node),
      sessions: {
        active: sessions.size - sessions.heldCount,
        held: sessions.heldCount,
        accepted: sessions.acceptedCount,
        ended: sessions.endedCounts,
      },
      listeners: listeners.addresses,
      isDraining: isDraining(),
      predecessors: predecessors(),
      workers: sessions.workers,
      version,
      startedAt: this.#startedAt,
      now: clock.now(),
      wallTime: clock.wallTime(),
    })
  }

  /** Walks through nothing. */
  glance(): Glance {
    const { health, sessions } = this.#options
    const { kind, primary } = health().state
    const held = sessions.heldCount
    return { active: sessions.size - held, held, state: kind, primary }
  }

  /** Brings what `status` says of sessions up to date. Never rejects. */
  async refresh(): Promise<void> {
    await this.#options.sessions.refresh()
  }

  async sessions(query: SessionQuery): Promise<SessionList> {
    const { sessions, clock } = this.#options
    return listSessions(await sessions.pickSessions(query), query, { now: clock.now(), wallTime: clock.wallTime() })
  }

  /** A primary is proven, the proof holds, and whoever comes is taken. */
  isReady(): boolean {
    const { health, config, clock } = this.#options
    const { decision } = health()
    if (decision === null || decision.primary === null || !this.#isOpen()) return false
    return isFresh({ decision, now: clock.now(), decisionTtlMs: config().monitor.decisionTtlMs })
  }

  routing(): RoutingView {
    const listeners = this.#options.config().listeners.map(routeRequest)
    const outlook = (requests: readonly RouteRequest[]): Outlook => {
      const outlooks = requests.map((request) => this.#outlook(request))
      return outlooks.find((each) => each === 'routed') ?? outlooks.find((each) => each === 'held') ?? 'refused'
    }
    return {
      primary: outlook(listeners.filter(({ route }) => route === 'primary')),
      // To a standby, not to where its listener turns when there is none.
      standby: (lagBytesMax) =>
        outlook(
          listeners
            .filter(({ route }) => route !== 'primary')
            .map((request) => ({
              ...request,
              route: 'standby',
              fallback: 'none',
              maxLagBytes: lower(request.maxLagBytes, lagBytesMax),
            })),
        ),
      overall: outlook(listeners),
    }
  }

  async metricsPage(): Promise<MetricsPage> {
    const { metrics, health, sessions, config, clock } = this.#options
    await sessions.refresh()
    const figures = await sessions.figures()
    return await metrics.page({
      status: this.status(),
      health: health(),
      sessions: figures,
      lostWorkerCount: sessions.lostWorkerCount,
      listeners: config().listeners.map((listener) => formatListenerAddress(listener.address)),
      limits: {
        sessionsMax: config().limits.maxSessions,
        heldMax: admissionSettings(config()).holdSessionsMax,
      },
      isReady: this.isReady(),
      now: clock.now(),
    })
  }

  #isOpen(): boolean {
    return !this.#options.isDraining() && this.#options.listeners.isOpen
  }

  #outlook(request: RouteRequest): Outlook {
    const { sessions, config } = this.#options
    if (!this.#isOpen()) return 'refused'
    const routing = sessions.preview(request)
    switch (routing.kind) {
      case 'node':
        return 'routed'
      case 'hold':
        return sessions.heldCount < admissionSettings(config()).holdSessionsMax ? 'held' : 'refused'
      case 'refuse':
        return 'refused'
      default:
        return routing satisfies never
    }
  }
}

function lower(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.min(a, b)
}
