/**
 * Who is told of what happens in the proxy: log, metrics, failover journal, service manager. Composition layer; nobody
 * here acts on it.
 */
import type { Logger } from 'pino'
import type { AdmissionEvents } from '../net/admission.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { NodeIdentity } from '../ports.ts'
import type { HealthEvents } from '../probe/health-loop.ts'
import type { SessionHost } from '../workers/session-host.ts'
import type { DecisionLog } from './decision-log.ts'
import type { FailoverRecorder } from './failover-recorder.ts'
import type { Observer } from './observer.ts'
import type { ServiceReporter } from './service-reporter.ts'

export interface Audience {
  readonly logger: Logger
  readonly decisionLog: DecisionLog
  readonly metrics: Metrics
  readonly failovers: FailoverRecorder
  readonly service: ServiceReporter
  /** Only with `--observe`. */
  readonly observer: Observer | null
  /** For the log. */
  readonly stateFilePath: string
}

/** The sessions themselves take each decision between two tellings: what became of them is part of what is told. */
export function healthEvents(
  sessions: Pick<SessionHost, 'takeDecision'>,
  { logger, decisionLog, metrics, failovers, service, observer, stateFilePath }: Audience,
): HealthEvents {
  return {
    onDecision: (decision, state) => {
      failovers.takeDecision(decision, state)
      sessions.takeDecision(decision, (endedCount) => {
        failovers.take({ kind: 'fenced', endedCount })
        decisionLog.takeDecision(decision, endedCount, state.settled)
      })
      service.takeDecision(decision, state.settled)
      observer?.takeDecision(decision, state)
    },
    onObservation: (node, observation) => {
      service.takeObservation(node)
      metrics.takeObservation(node, observation)
      observer?.takeObservation(node, observation)
      failovers.take({ kind: 'observed', node, observation })
      decisionLog.takeObservation(node, observation)
    },
    onMembers: (added, removed) => {
      const names = (nodes: readonly NodeIdentity[]): string[] => nodes.map((node) => node.name)
      logger.info({ added: names(added), removed: names(removed) }, 'nodes changed')
    },
    onEpochSaved: (epoch) => {
      failovers.take({ kind: 'accepted', epoch })
      decisionLog.takeEpoch(epoch)
    },
    onSaveFailed: (epoch, error) => {
      metrics.takeSaveFailure()
      failovers.take({ kind: 'save-failed', problem: error.message })
      decisionLog.takeSaveFailure(epoch, error.message, stateFilePath)
    },
  }
}

export function admissionEvents({
  logger,
  metrics,
  failovers,
}: Pick<Audience, 'logger' | 'metrics' | 'failovers'>): Required<AdmissionEvents> {
  return {
    onFirstRouted: (node, afterDecisionMs) => {
      failovers.take({ kind: 'first-routed', node })
      logger.info({ node, afterDecisionMs: round(afterDecisionMs) }, 'first session routed to the new primary')
    },
    onAllReleased: (count) => {
      failovers.take({ kind: 'all-released' })
      logger.info({ sessions: count }, 'all held sessions released')
    },
    onHoldEnded: (outcome, waitedMs) => metrics.takeHoldEnd(outcome, waitedMs),
  }
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10
}
