/**
 * Metrics of nodes that are fed by events. A node has its series, at zero, from the first scrape that finds it among the
 * members, so that the first failure is an increase and not a new series; a node that has left loses them. Effect layer.
 */
import { Counter, Histogram, type Registry } from 'prom-client'
import { FAILURE_CLASSES, type Observation } from '../topology/observation.ts'
import { DIAL_RESULTS, dialResult } from './dial-result.ts'

/** Seconds. A probe on a loopback takes 0.2 ms, across regions 100 ms; `monitor.timeout` is 1 s by default. */
const PROBE_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

export class NodeSeries {
  readonly #probeSeconds: Histogram<'node'>
  readonly #probeFailures: Counter<'node' | 'class'>
  readonly #dials: Counter<'node' | 'result'>
  /** Nodes that have series. */
  readonly #nodes = new Set<string>()

  constructor(registry: Registry) {
    const registers = [registry]
    this.#probeSeconds = new Histogram({
      registers,
      name: 'pgha_probe_duration_seconds',
      help: 'Time of probes that were answered, from the question to the whole answer.',
      labelNames: ['node'],
      buckets: PROBE_SECONDS,
    })
    this.#probeFailures = new Counter({
      registers,
      name: 'pgha_probe_failures_total',
      help: 'Probes that were not answered, by class of failure.',
      labelNames: ['node', 'class'],
    })
    this.#dials = new Counter({
      registers,
      name: 'pgha_dials_total',
      help: 'Connections to nodes that were attempted for sessions, by result.',
      labelNames: ['node', 'result'],
    })
  }

  takeObservation(node: string, observation: Observation): void {
    this.#nodes.add(node)
    if (observation.kind === 'failed') this.#probeFailures.inc({ node, class: observation.failure })
    else this.#probeSeconds.observe({ node }, (observation.receivedAt - observation.sentAt) / 1000)
  }

  /** `errno`: `null` when it was connected. */
  takeDial(node: string, errno: string | null): void {
    this.#nodes.add(node)
    this.#dials.inc({ node, result: dialResult(errno) })
  }

  /** Brings the series up to date with the members. A dial may end after its node has left: so this is called for each scrape. */
  keepOnly(members: readonly string[]): void {
    for (const node of this.#nodes) if (!members.includes(node)) this.#remove(node)
    for (const node of members) this.#ensure(node)
  }

  #ensure(node: string): void {
    this.#nodes.add(node)
    for (const failure of FAILURE_CLASSES) this.#probeFailures.inc({ node, class: failure }, 0)
    for (const result of DIAL_RESULTS) this.#dials.inc({ node, result }, 0)
  }

  #remove(node: string): void {
    this.#nodes.delete(node)
    this.#probeSeconds.remove({ node })
    for (const failure of FAILURE_CLASSES) this.#probeFailures.remove({ node, class: failure })
    for (const result of DIAL_RESULTS) this.#dials.remove({ node, result })
  }
}
