/**
 * What is known of one node: its last answer and its current run of failures. Pure bookkeeping; what it means for the
 * node is read in standing.ts, what it means for the cluster in decide-topology.ts.
 */
import type { Lsn } from './lsn.ts'
import type { FailureClass, NodeAnswer, Observation } from './observation.ts'

/** How far back write positions are kept: no answer that still counts was asked for longer ago. */
export const WRITE_POSITION_MEMORY_MS = 5_000

/** More are not kept, however fast the probes come. */
export const WRITE_POSITION_COUNT_MAX = 256

/** An unbroken run of failed probes of one class. Times are those of the probes' start. */
export interface FailureRun {
  readonly failure: FailureClass
  /** 1 or more. */
  readonly count: number
  readonly firstSentAt: number
  readonly lastSentAt: number
  readonly lastReceivedAt: number
  readonly detail: string
}

/** The last complete answer, kept while later probes fail. */
export interface DatedAnswer {
  readonly sentAt: number
  readonly receivedAt: number
  readonly answer: NodeAnswer
}

/** Where the node wrote when it said so out of recovery. Probes are not simultaneous: what lag is measured against. */
export interface WritePosition {
  readonly receivedAt: number
  readonly systemIdentifier: string
  readonly timelineId: number
  readonly lsn: Lsn
}

export interface NodeEvidence {
  /** `null` while no probe has succeeded yet. */
  readonly lastAnswer: DatedAnswer | null
  /** `null` when the latest probe succeeded, or none has finished. */
  readonly failing: FailureRun | null
  /** When the run of failures began, of whatever class; `null` when the latest probe succeeded. */
  readonly failingSince: number | null
  /** Oldest first; stay while the node fails. One is older than WRITE_POSITION_MEMORY_MS if there ever was one. */
  readonly writePositions: readonly WritePosition[]
}

/** Nothing is known yet: no probe has finished. */
export const NO_EVIDENCE: NodeEvidence = { lastAnswer: null, failing: null, failingSince: null, writePositions: [] }

/** True when at least one probe of the node has finished, well or badly. */
export function isObserved(evidence: NodeEvidence): boolean {
  return evidence.lastAnswer !== null || evidence.failing !== null
}

/** Adds one finished probe. A success ends the run of failures; a failure of another class begins a new run. */
export function addObservation(evidence: NodeEvidence, observation: Observation): NodeEvidence {
  if (observation.kind === 'answered') {
    const { sentAt, receivedAt, answer } = observation
    const writePositions = addWritePosition(evidence.writePositions, receivedAt, answer)
    return { lastAnswer: { sentAt, receivedAt, answer }, failing: null, failingSince: null, writePositions }
  }
  const { failure, sentAt, receivedAt, detail } = observation
  const run = evidence.failing
  const continues = run !== null && run.failure === failure
  return {
    lastAnswer: evidence.lastAnswer,
    failingSince: evidence.failingSince ?? sentAt,
    failing: {
      failure,
      count: continues ? run.count + 1 : 1,
      firstSentAt: continues ? run.firstSentAt : sentAt,
      lastSentAt: sentAt,
      lastReceivedAt: receivedAt,
      detail,
    },
    writePositions: evidence.writePositions,
  }
}

function addWritePosition(
  known: readonly WritePosition[],
  receivedAt: number,
  { inRecovery, systemIdentifier, timelineId, lsn }: NodeAnswer,
): readonly WritePosition[] {
  if (inRecovery || timelineId === null || lsn === null) return known
  const oldest = known.findLastIndex((position) => position.receivedAt <= receivedAt - WRITE_POSITION_MEMORY_MS)
  const kept = known.slice(Math.max(0, oldest, known.length - WRITE_POSITION_COUNT_MAX + 1))
  return [...kept, { receivedAt, systemIdentifier, timelineId, lsn }]
}
