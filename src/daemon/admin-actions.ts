/** What the admin server may ask and order, each led to the part that knows: composition layer. */
import type { Order } from '../admin/order.ts'
import type { AdminActions } from '../admin/routes.ts'
import type { HealthLoop, OrderResult } from '../probe/health-loop.ts'
import type { DrainOrder } from './drain-order.ts'
import type { FailoverRecorder } from './failover-recorder.ts'
import type { LogLevelOrder } from './log-level-order.ts'
import type { Observer } from './observer.ts'
import type { ProxyView } from './proxy-view.ts'

/** How long an order to probe may wait for the nodes: its client waits as well. */
const PROBE_WAIT_MS_MAX = 4_000
/** Beyond the time that a probe may take, for a connection to be made before the question. */
const PROBE_WAIT_SLACK_MS = 500
/** repmgr tells of one change by several events in some seconds: the fast pace goes on over them. */
const NOTIFIED_PACE_MS = 10_000

export interface AdminParts {
  readonly view: ProxyView
  readonly failovers: FailoverRecorder
  readonly health: HealthLoop
  readonly drain: DrainOrder
  readonly logLevel: LogLevelOrder
  readonly observer: Observer | null
  readonly probeTimeoutMs: () => number
}

export function createAdminActions(parts: AdminParts): AdminActions {
  const { view, failovers, observer } = parts
  return {
    glance: () => view.glance(),
    refresh: () => view.refresh(),
    status: () => view.status(),
    sessions: (query) => view.sessions(query),
    failovers: (query) => failovers.list(query),
    isReady: () => view.isReady(),
    routing: () => view.routing(),
    metrics: () => view.metricsPage(),
    ...(observer === null ? {} : { observation: () => observer.report() }),
    carryOut: ({ order }) => carryOut(order, parts),
    hurry: () => parts.health.hurry(NOTIFIED_PACE_MS),
  }
}

async function carryOut(order: Order, { health, drain, logLevel, probeTimeoutMs }: AdminParts): Promise<OrderResult> {
  switch (order.kind) {
    case 'accept':
      return await health.accept(order.node)
    case 'fence':
      return await health.fence(order.node)
    case 'unfence':
      return await health.unfence(order.node)
    case 'drain':
      return await drain.take(order.isOn)
    case 'log-level':
      return await logLevel.take(order.level, order.forMs)
    case 'probe':
      return await health.probe(order.node, Math.min(probeTimeoutMs() + PROBE_WAIT_SLACK_MS, PROBE_WAIT_MS_MAX))
    default:
      return order satisfies never
  }
}
