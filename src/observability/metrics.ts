/**
 * What Prometheus scrapes: the events of the proxy, counted as they happen, and its state, read off when somebody asks.
 * Effect layer; docs/metrics.md says what each metric means. It knows no part of the proxy: the composition tells it
 * what happened, and hands over a snapshot for each scrape.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../ports.ts'
import { HOLD_OUTCOMES, type HoldOutcome } from '../session/hold-queue.ts'
import type { Observation } from '../topology/observation.ts'
import { elapsedMs, type FailoverRecord } from './failover-record.ts'
import { NodeSeries } from './node-series.ts'
import { addProcessMetrics } from './process-metrics.ts'
import { EVENT_LABELS, type EventLabel } from './repmgr-events.ts'
import { type MetricsSnapshot, StatusMetrics } from './status-metrics.ts'

/** An answer to a scrape. */
export interface MetricsPage {
  readonly contentType: string
  readonly text: string
}

/** Seconds. Up to a second: a release after a switchover; 30 s is the default of `hold.timeout`. */
const HOLD_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60]
/** Seconds. repmgrd takes 2 s when it is quick, a minute with its defaults, and a person takes longer. */
const FAILOVER_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600]
/** Seconds. The session waits already: this is our own part alone. */
const FIRST_SESSION_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1]

const RELOAD_RESULTS = ['success', 'failure'] as const

/** What became of an operator's order: carried out, could not be, or was not accepted at all. */
export const ORDER_RESULTS = ['done', 'failed', 'refused'] as const
export type OrderOutcome = (typeof ORDER_RESULTS)[number]

export class Metrics {
  readonly #clock: Clock
  readonly #registry = new Registry()
  readonly #status: StatusMetrics
  readonly #nodes: NodeSeries
  readonly #events: ReturnType<typeof createEventMetrics>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#status = new StatusMetrics(this.#registry)
    this.#nodes = new NodeSeries(this.#registry)
    this.#events = createEventMetrics(this.#registry)
    this.#noteConfigurationTaken()
  }

  /** Adds what Node knows of the process: memory, CPU, event loop, garbage collection. Call once. */
  watchProcess(): void {
    addProcessMetrics(this.#registry)
  }

  takeObservation(node: string, observation: Observation): void {
    this.#nodes.takeObservation(node, observation)
  }

  /** `errno`: `null` when it was connected. */
  takeDial(node: string, errno: string | null): void {
    this.#nodes.takeDial(node, errno)
  }

  /** The newest record of the failover journal has changed; `before`: what it was, `null` when it is new. */
  takeFailover(before: FailoverRecord | null, { from, to, times }: FailoverRecord): void {
    if (from === null || to === null || times.proof === null) return
    const isAccepted = times.proof !== before?.times.proof && to.node !== (before?.to ?? from).node
    if (isAccepted) {
      this.#events.failovers.inc()
      if (times.proof.afterMs !== null) this.#events.failoverSeconds.observe(times.proof.afterMs / 1000)
    }
    const isFirst = times.firstRouted !== null && !before?.times.firstRouted
    const tookMs = isFirst && to.node !== from.node ? elapsedMs(times.proof, times.firstRouted) : null
    if (tookMs !== null) this.#events.firstSessionSeconds.observe(tookMs / 1000)
  }

  takeSaveFailure(): void {
    this.#events.epochWriteFailures.inc()
  }

  takeHoldEnd(outcome: HoldOutcome, waitedMs: number): void {
    this.#events.holdSeconds.observe({ outcome }, waitedMs / 1000)
  }

  /** A reload has come to its end; `false`: the old configuration stays in force. */
  takeReload(isDone: boolean): void {
    this.#events.reloads.inc({ result: isDone ? 'success' : 'failure' })
    if (isDone) this.#noteConfigurationTaken()
    else this.#events.reloadSuccessful.set(0)
  }

  takeOrder(result: OrderOutcome): void {
    this.#events.orders.inc({ result })
  }

  /** repmgr has told of an event. */
  takeNotification(event: EventLabel): void {
    this.#events.notifications.inc({ event })
  }

  /** Rejects when something cannot be collected; the next scrape is none the worse for it. */
  async page(snapshot: MetricsSnapshot): Promise<MetricsPage> {
    this.#nodes.keepOnly(snapshot.status.nodes.map(({ name }) => name))
    this.#status.take(snapshot)
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  #noteConfigurationTaken(): void {
    this.#events.reloadSuccessful.set(1)
    this.#events.reloadedAt.set(this.#clock.wallTime().getTime() / 1000)
  }
}

function createEventMetrics(registry: Registry) {
  const registers = [registry]
  const reloads = new Counter({
    registers,
    name: 'pgha_config_reloads_total',
    help: 'Reloads of the configuration, by result.',
    labelNames: ['result'],
  })
  for (const result of RELOAD_RESULTS) reloads.inc({ result }, 0)
  const orders = new Counter({
    registers,
    name: 'pgha_orders_total',
    help: 'Orders given over the admin address, by what became of them.',
    labelNames: ['result'],
  })
  for (const result of ORDER_RESULTS) orders.inc({ result }, 0)
  const holdSeconds = new Histogram({
    registers,
    name: 'pgha_hold_wait_seconds',
    help: 'Time that sessions waited in the hold queue, by how the wait ended.',
    labelNames: ['outcome'],
    buckets: HOLD_SECONDS,
  })
  for (const outcome of HOLD_OUTCOMES) holdSeconds.zero({ outcome })
  const notifications = new Counter({
    registers,
    name: 'pgha_notifications_total',
    help: 'Events that repmgr told of by `pgha-proxy notify`.',
    labelNames: ['event'],
  })
  for (const event of EVENT_LABELS) notifications.inc({ event }, 0)
  return {
    reloads,
    orders,
    notifications,
    holdSeconds,
    failovers: new Counter({
      registers,
      name: 'pgha_failovers_total',
      help: 'Failovers and switchovers: another node was accepted as primary.',
    }),
    failoverSeconds: new Histogram({
      registers,
      name: 'pgha_failover_duration_seconds',
      help: 'From the last proof of the old primary to the acceptance of the new one.',
      buckets: FAILOVER_SECONDS,
    }),
    firstSessionSeconds: new Histogram({
      registers,
      name: 'pgha_failover_first_session_seconds',
      help: 'From the acceptance of the new primary to the first session on it, where sessions were waiting.',
      buckets: FIRST_SESSION_SECONDS,
    }),
    epochWriteFailures: new Counter({
      registers,
      name: 'pgha_epoch_write_failures_total',
      help: 'Times that the epoch could not be put to disk.',
    }),
    reloadSuccessful: new Gauge({
      registers,
      name: 'pgha_config_last_reload_successful',
      help: '1 when the last reload was taken over; 0: the configuration before it stays in force.',
    }),
    reloadedAt: new Gauge({
      registers,
      name: 'pgha_config_last_reload_success_timestamp_seconds',
      help: 'When the configuration in force was taken over.',
    }),
  }
}
