/**
 * `--observe`: a daemon that takes no sessions, told of everything that it decides, beside a proxy that goes on serving.
 * Composition layer. Its state is in a folder of its own, so that it neither believes nor disturbs another pgha-proxy on
 * this host.
 */
import { join } from 'node:path'
import type { Logger } from 'pino'
import { formatNodeAddress } from '../config/address.ts'
import type { Config } from '../config/config.ts'
import { createSharedLookup } from '../net/shared-lookup.ts'
import { Comparison, type ComparisonReport, comparePlace } from '../observability/comparison.ts'
import { ObservationRecord, type ObservationReport } from '../observability/observation-report.ts'
import type { Clock, Prober } from '../ports.ts'
import type { NodeAddress, NodeAnswer, Observation } from '../topology/observation.ts'
import type { Decision, TopologyState } from '../topology/topology-state.ts'
import { createMonitorProber } from './monitor-prober.ts'

/** How often the other proxy is asked where it leads: each time is a login there. */
const COMPARE_INTERVAL_MS = 1_000
/** What it was told is judged after this, when our own probes have seen as much. */
const JUDGE_AFTER_MS = 300

/** The answer of `GET /api/observation`. */
export interface WholeReport extends ObservationReport {
  /** `null`: nothing to compare with. */
  readonly compared: ComparisonReport | null
}

export interface ObserverOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly config: Config
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Where another proxy leads to the primary; `null`: not asked. */
  readonly compareWith: NodeAddress | null
}

/** What of the configuration an observer goes by: no listeners, and its own folder below `state_dir`. */
export function observedConfig(config: Config): Config {
  return { ...config, listeners: [], stateDir: join(config.stateDir, 'observe') }
}

export class Observer {
  readonly #options: ObserverOptions
  readonly #record = new ObservationRecord()
  readonly #comparison: Comparison | null
  readonly #prober: Prober | null
  readonly #answers = new Map<string, NodeAnswer>()
  #primary: string | null = null
  #isSettled = false
  #cancel: () => void = () => undefined
  #isStopped = false

  constructor(options: ObserverOptions) {
    const { compareWith, clock, config, environment, logger } = options
    this.#options = options
    this.#comparison = compareWith === null ? null : new Comparison(formatNodeAddress(compareWith))
    this.#prober =
      compareWith === null
        ? null
        : createMonitorProber(
            { name: formatNodeAddress(compareWith), address: compareWith },
            {
              monitor: config.monitor,
              environment,
              clock,
              logger,
              lookup: createSharedLookup(),
              onSessionLost: () => {},
            },
          )
  }

  /** Begins to compare. Ends with `close`. */
  begin(): void {
    if (this.#prober !== null) void this.#compare(this.#prober)
  }

  takeDecision(decision: Decision, state: TopologyState): void {
    this.#primary = decision.primary
    this.#isSettled = state.settled
    this.#record.takeDecision(decision, state, this.#moment())
  }

  takeObservation(node: string, observation: Observation): void {
    if (observation.kind === 'answered') this.#answers.set(node, observation.answer)
    this.#record.takeObservation(node, observation)
  }

  report(): WholeReport {
    const moment = this.#moment()
    return { ...this.#record.read(moment), compared: this.#comparison?.read(moment) ?? null }
  }

  async close(): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    await this.#prober?.close()
  }

  async #compare(prober: Prober): Promise<void> {
    const before = this.#primary
    // A new connection each time: only that shows where the other proxy sends new sessions.
    const observation = await prober.probe({ fresh: true })
    if (this.#isStopped) return
    const { clock } = this.#options
    this.#cancel = clock.schedule(JUDGE_AFTER_MS, () => {
      this.#judge(observation, before)
      this.#cancel = clock.schedule(COMPARE_INTERVAL_MS - JUDGE_AFTER_MS, () => void this.#compare(prober))
    })
  }

  /** One of the two may see a change a moment before the other: who was right before or is right now is not wrong. */
  #judge(observation: Observation, before: string | null): void {
    if (!this.#isSettled) return
    const places = [before, this.#primary].map((primary) => comparePlace(observation, primary, this.#answers))
    const place = places.find(({ kind }) => kind === 'right') ?? places.at(-1)
    if (place !== undefined) this.#comparison?.take(place, this.#moment())
  }

  #moment() {
    const { clock } = this.#options
    return { at: clock.now(), wallTime: clock.wallTime() }
  }
}
