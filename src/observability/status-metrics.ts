/**
 * Metrics that are read off the proxy's state when somebody scrapes: nothing is kept up to date in between. Effect
 * layer. What is counted as it happens is in metrics.ts and node-series.ts.
 */
import { Gauge, type Registry } from 'prom-client'
import type { HealthSnapshot } from '../probe/health-loop.ts'
import type { SessionFigures } from '../session/session-figures.ts'
import { NODE_ROLES, TOPOLOGY_KINDS } from '../topology/topology-state.ts'
import type { NodeStatus, Status } from './status.ts'
import { TotalCounter } from './total-counter.ts'

/** Everything as of one moment. */
export interface MetricsSnapshot {
  readonly status: Status
  readonly health: HealthSnapshot
  readonly sessions: SessionFigures
  /** Workers that ended without being told to; left out: none. */
  readonly lostWorkerCount?: number
  /** Of the configuration, as it writes their addresses. */
  readonly listeners: readonly string[]
  readonly limits: { readonly sessionsMax: number; readonly heldMax: number }
  readonly isReady: boolean
  /** Monotonic milliseconds. */
  readonly now: number
}

export class StatusMetrics {
  readonly #gauges: ReturnType<typeof createGauges>
  readonly #totals: ReturnType<typeof createTotals>

  constructor(registry: Registry) {
    this.#gauges = createGauges(registry)
    this.#totals = createTotals(registry)
  }

  /** Everything is set within this call: two scrapes at a time cannot mix. */
  take(snapshot: MetricsSnapshot): void {
    // What is not there any more has no series.
    for (const gauge of Object.values(this.#gauges)) gauge.reset()
    this.#takeDecision(snapshot)
    for (const node of snapshot.status.nodes) this.#takeNode(node, snapshot.health)
    this.#takeSessions(snapshot)
    this.#takeWorkers(snapshot)
  }

  #takeDecision({ status, health, isReady, now }: MetricsSnapshot): void {
    const gauges = this.#gauges
    gauges.build.set({ version: status.version }, 1)
    gauges.ready.set(isReady ? 1 : 0)
    gauges.predecessors.set(status.predecessors.reduce((sum, { sessions }) => sum + sessions, 0))
    gauges.draining.set(status.draining ? 1 : 0)
    for (const state of TOPOLOGY_KINDS) gauges.state.set({ state }, status.state === state ? 1 : 0)
    gauges.changedAt.set(Date.parse(status.since) / 1000)
    gauges.epoch.set(status.timelineId ?? 0)
    gauges.warnings.set(status.warnings.length)
    const { decision } = health
    if (decision === null || decision.primary === null) return
    gauges.primary.set({ node: decision.primary }, 1)
    gauges.proofAge.set({ node: decision.primary }, (now - decision.provenAt) / 1000)
  }

  #takeNode(status: NodeStatus, { evidence }: HealthSnapshot): void {
    const gauges = this.#gauges
    const node = status.name
    const known = evidence.get(node)
    for (const role of NODE_ROLES) gauges.role.set({ node, role }, status.role === role ? 1 : 0)
    gauges.up.set({ node }, known?.lastAnswer != null && known.failing === null ? 1 : 0)
    if (status.timelineId !== null) gauges.timeline.set({ node }, status.timelineId)
    if (status.replayLagBytes !== null) gauges.lag.set({ node }, status.replayLagBytes)
    if (status.lastSeenMs !== null) gauges.seenAge.set({ node }, status.lastSeenMs / 1000)
  }

  #takeSessions({ status, sessions, listeners, limits }: MetricsSnapshot): void {
    const gauges = this.#gauges
    const totals = this.#totals
    for (const listener of listeners) {
      gauges.held.set({ listener }, 0)
      for (const { name } of status.nodes) gauges.sessions.set({ listener, node: name }, 0)
    }
    for (const { listener, node, count } of sessions.active) gauges.sessions.set({ listener, node: node ?? '' }, count)
    for (const [listener, count] of sessions.held) gauges.held.set({ listener }, count)
    gauges.sessionsMax.set(limits.sessionsMax)
    gauges.heldMax.set(limits.heldMax)
    totals.accepted.raise(status.sessions.accepted)
    for (const [reason, count] of Object.entries(status.sessions.ended)) totals.ended.raise(count, reason)
    totals.bytes.raise(sessions.traffic.fromClient, 'from-client')
    totals.bytes.raise(sessions.traffic.toClient, 'to-client')
  }

  #takeWorkers({ status, lostWorkerCount = 0 }: MetricsSnapshot): void {
    const gauges = this.#gauges
    for (const { worker: number, sessions, rssBytes, cpuSeconds, eventLoopDelayMs } of status.workers) {
      const worker = String(number)
      gauges.workerSessions.set({ worker }, sessions)
      gauges.workerMemory.set({ worker }, rssBytes)
      gauges.workerDelay.set({ worker }, eventLoopDelayMs / 1000)
      gauges.workerCpu.set({ worker }, cpuSeconds)
    }
    this.#totals.lostWorkers.raise(lostWorkerCount)
  }
}

// biome-ignore format: one metric a line reads as the table that it is.
function createGauges(registry: Registry) {
  const gauge = (name: string, help: string, ...labelNames: string[]): Gauge =>
    new Gauge({ registers: [registry], name, help, labelNames })
  return {
    build: gauge('pgha_build_info', 'The version that runs; always 1.', 'version'),
    ready: gauge('pgha_ready', '1 when a primary is proven and the listeners are open, as in /readyz.'),
    draining: gauge('pgha_draining', '1 while the proxy stops or drains, and admits nobody new.'),
    state: gauge('pgha_decision_state', '1 for the state of the decision, 0 for the others.', 'state'),
    changedAt: gauge('pgha_decision_changed_timestamp_seconds', 'When state or primary last changed.'),
    primary: gauge('pgha_primary_info', 'The node that new sessions go to; no series: they wait.', 'node'),
    proofAge: gauge('pgha_primary_proof_age_seconds', 'Age of the latest proof for the primary.', 'node'),
    epoch: gauge('pgha_epoch_timeline', 'Timeline of the last accepted primary; 0: none yet.'),
    warnings: gauge('pgha_warnings', 'Warnings that hold now; pgha-proxy status has their words.'),
    role: gauge('pgha_node_role', '1 for what the node is taken for, 0 for the others.', 'node', 'role'),
    up: gauge('pgha_node_up', '1 when the latest probe of the node was answered.', 'node'),
    timeline: gauge('pgha_node_timeline', 'Timeline by the last answer; no series: not known.', 'node'),
    lag: gauge('pgha_node_replay_lag_bytes', 'WAL not yet replayed; no series: cannot be known.', 'node'),
    seenAge: gauge('pgha_node_last_answer_age_seconds', 'Age of the last answer; no series: none yet.', 'node'),
    sessions: gauge('pgha_sessions', 'Sessions, held ones aside; no node: not there yet, or leaving.', 'listener', 'node'),
    sessionsMax: gauge('pgha_sessions_max', 'As configured: limits.max_sessions.'),
    predecessors: gauge('pgha_predecessor_sessions', 'Sessions of processes that an upgrade has replaced.'),
    held: gauge('pgha_sessions_held', 'Sessions that wait for a node.', 'listener'),
    workerSessions: gauge('pgha_worker_sessions', 'Sessions of each worker process; no series: there are none.', 'worker'),
    workerMemory: gauge('pgha_worker_resident_memory_bytes', 'Resident memory of each worker process.', 'worker'),
    workerDelay: gauge('pgha_worker_eventloop_delay_max_seconds', 'Longest delay of its event loop in the last second.', 'worker'),
    workerCpu: gauge('pgha_worker_cpu_seconds', 'CPU time of the worker since its start; a new one begins at 0.', 'worker'),
    heldMax: gauge('pgha_sessions_held_max', 'As configured: hold.max_sessions; 0: nobody is ever held.'),
  }
}

function createTotals(registry: Registry) {
  return {
    accepted: new TotalCounter({
      registry,
      name: 'pgha_sessions_accepted_total',
      help: 'Sessions that were accepted.',
    }),
    ended: new TotalCounter({
      registry,
      name: 'pgha_sessions_ended_total',
      help: 'Sessions that ended, by close reason.',
      label: 'reason',
    }),
    lostWorkers: new TotalCounter({
      registry,
      name: 'pgha_workers_lost_total',
      help: 'Worker processes that ended without being told to, and were replaced.',
    }),
    bytes: new TotalCounter({
      registry,
      name: 'pgha_client_bytes_total',
      help: 'Bytes on the sockets of clients.',
      label: 'direction',
    }),
  }
}
