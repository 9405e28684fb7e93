/**
 * Checks a history against every promise: gives what was broken, and the figures of the run. Pure: all that it knows is in
 * the events and in the rows of the last primary. The rules and their sentences are in violation.ts.
 */
import { type CheckLimits, DEFAULT_LIMITS } from './check-limits.ts'
import { type ClientFigures, takeClientFigures } from './client-figures.ts'
import type { History } from './history.ts'
import { type HistoryIndex, indexHistory } from './history-index.ts'
import { checkAnswers, checkEpochs, checkReadsGoBack, checkReadsOfNothing } from './rules-of-answers.ts'
import { checkEndedOnProof, checkEndedWithoutProof, checkStalls } from './rules-of-endings.ts'
import {
  checkReaderOnStale,
  checkReadOnly,
  checkRoutedByEpoch,
  checkRoutedByEvidence,
  checkTimelineFalls,
} from './rules-of-routing.ts'
import { checkConnectTimes, checkErrors, checkLiveness, checkRefusals } from './rules-of-waiting.ts'
import { checkWrites } from './rules-of-writes.ts'
import type { FinalState } from './tables.ts'
import type { RuleCheck, Violation } from './violation.ts'

const CHECKS: readonly RuleCheck[] = [
  checkReadOnly,
  checkRoutedByEpoch,
  checkRoutedByEvidence,
  checkTimelineFalls,
  checkReaderOnStale,
  checkEndedOnProof,
  checkEndedWithoutProof,
  checkRefusals,
  checkConnectTimes,
  checkStalls,
  checkErrors,
  checkAnswers,
  checkReadsGoBack,
  checkReadsOfNothing,
  checkEpochs,
  checkWrites,
  checkLiveness,
]

export interface CheckResult {
  /** By time. */
  readonly violations: readonly Violation[]
  readonly figures: ClientFigures
  readonly index: HistoryIndex
}

/** `final` is `null` when the run broke off before the table could be read. Events in any order; never throws. */
export function checkHistory(
  history: History,
  final: FinalState | null,
  limits: Partial<CheckLimits> = {},
): CheckResult {
  const index = indexHistory(history.events)
  const checked = { index, final, limits: { ...DEFAULT_LIMITS, ...limits } }
  const malformed: Violation[] = history.malformed.map((text) => ({ rule: 'history', at: index.endAt, text }))
  if (index.strayCount > 0) {
    malformed.push({
      rule: 'history',
      at: index.endAt,
      text: `${index.strayCount} events belong to nothing that began`,
    })
  }
  const violations = [...malformed, ...CHECKS.flatMap((check) => check(checked))]
  return { violations: violations.sort((a, b) => a.at - b.at), figures: takeClientFigures(index, final), index }
}
