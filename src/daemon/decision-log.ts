/**
 * One line in the log for each change of the decision, with its sentence; repetitions say nothing, or are counted.
 * Composition layer.
 */
import type { Logger } from 'pino'
import type { Clock } from '../ports.ts'
import type { Observation } from '../topology/observation.ts'
import type { Decision, Epoch } from '../topology/topology-state.ts'
import { FailingProbes } from './failing-probes.ts'
import { LineBudget } from './line-budget.ts'

/** Several times as many as a cluster has. */
export const FAILING_NODES_MAX = 256

export class DecisionLog {
  readonly #logger: Logger
  readonly #now: () => number
  /** For nodes and warnings, by name and sentence. */
  readonly #budget = new LineBudget()
  #reason: string | null = null
  #warnings = new Set<string>()
  /** The run of failed probes of each node that does not answer. */
  readonly #failing = new Map<string, FailingProbes>()
  /** What was last told of an epoch that cannot be written; `null` when the last one could. */
  #unsaved: string | null = null

  constructor(logger: Logger, clock: Pick<Clock, 'now'>) {
    this.#logger = logger
    this.#now = clock.now
  }

  /** `settled`: every node has been asked once; before that nothing is wrong yet. */
  takeDecision(decision: Decision, endedCount: number, settled: boolean): void {
    if (decision.reason !== this.#reason) {
      const { kind, primary, reason } = decision
      const level = settled ? levelOf(decision) : 'info'
      this.#logger[level]({ state: kind, primary, reason, sessionsEnded: endedCount }, 'decision')
      this.#reason = reason
    } else if (endedCount > 0) {
      this.#logger.warn({ sessionsEnded: endedCount, reason: decision.reason }, 'sessions ended')
    }
    const warnings = new Set(decision.warnings)
    const now = this.#now()
    for (const warning of warnings) {
      if (this.#warnings.has(warning)) continue
      const more = this.#budget.take(warning, now)
      this.#logger[more === null ? 'debug' : 'warn']({ warning, ...more }, 'warning')
    }
    for (const warning of this.#warnings) {
      if (warnings.has(warning)) continue
      const more = this.#budget.take(warning, now)
      this.#logger[more === null ? 'debug' : 'info']({ warning, ...more }, 'warning over')
    }
    this.#warnings = warnings
  }

  /**
   * A node that begins to fail is told of, each class of failure once, then with counts after a minute, two, four and so
   * on up to an hour, and when it answers again; ten lines a minute at most.
   */
  takeObservation(node: string, observation: Observation): void {
    const running = this.#failing.get(node)
    const at = observation.receivedAt
    if (observation.kind === 'answered') {
      if (running === undefined) return
      this.#failing.delete(node)
      const more = this.#budget.take(node, at)
      this.#logger[more === null ? 'debug' : 'info']({ node, ...running.summary(at), ...more }, 'node answers again')
      return
    }
    const failing = running ?? this.#beginFailing(node, at)
    const { failure, detail } = observation
    switch (failing.take(failure, at)) {
      case 'new': {
        const more = this.#budget.take(node, at)
        return this.#logger[more === null ? 'debug' : 'info']({ node, failure, detail, ...more }, 'probe failed')
      }
      case 'due':
        return this.#logger.info({ node, ...failing.summary(at), detail }, 'node still fails')
      case 'known':
        return
    }
  }

  #beginFailing(node: string, at: number): FailingProbes {
    // Rows of repmgr.nodes can name others for ever, and a node that has left never answers again.
    const [oldest] = this.#failing.keys()
    if (oldest !== undefined && this.#failing.size >= FAILING_NODES_MAX) this.#failing.delete(oldest)
    const failing = new FailingProbes(at)
    this.#failing.set(node, failing)
    return failing
  }

  takeEpoch(epoch: Epoch): void {
    this.#unsaved = null
    this.#logger.info({ epoch }, 'primary accepted')
  }

  /** Tried again with every observation: told aloud once for each node, timeline and problem. */
  takeSaveFailure(epoch: Epoch, problem: string, file: string): void {
    const told = `${epoch.node} ${epoch.timelineId} ${problem}`
    const level = told === this.#unsaved ? 'debug' : 'error'
    this.#unsaved = told
    this.#logger[level]({ epoch, problem, file }, 'the epoch cannot be written: nobody is admitted until it can')
  }
}

function levelOf({ kind, accept }: Decision): 'info' | 'warn' | 'error' {
  if (kind === 'serving' || accept !== null) return 'info'
  return kind === 'split-brain' ? 'error' : 'warn'
}
