/**
 * One node's evidence as the rules read it: what it says, whom its rows name, whether its claim waits. Pure; a fact sheet
 * for the status, without a verdict.
 */
import { graceLeftMs } from './explain-decision.ts'
import { primaryNamedBy } from './members.ts'
import { type DecisionInput, readSituation } from './situation.ts'
import { describeStanding } from './standing.ts'

/** A claim to be primary, against the accepted timeline. */
export interface ClaimEvidence {
  readonly timelineId: number
  /** Its own repmgr row says primary and active. */
  readonly confirmed: boolean
  /** Against the epoch; `null` when nothing was accepted before. */
  readonly against: 'below' | 'same' | 'above' | null
  /** An operator, its own row or its end resolves it: time does not. */
  readonly latched: boolean
  /** While it waits for `policy.grace`. */
  readonly graceLeftMs: number | null
}

export interface NodeEvidenceSheet {
  /** What it is doing, without a verdict. */
  readonly standing: string
  readonly claim: ClaimEvidence | null
  /** The active primary by its own copy of `repmgr.nodes`. */
  readonly votesFor: string | null
  /** Whether there is such a copy, and whether it may be read; `null` before the first answer. */
  readonly repmgr: 'rows' | 'absent' | 'denied' | null
  readonly failing: {
    readonly failure: string
    /** Probes in a row with this failure. */
    readonly count: number
    /** Since the first of the whole run, of whatever failure. */
    readonly forMs: number
  } | null
}

/** By node; of every member. */
export function explainNodes(input: DecisionInput): Map<string, NodeEvidenceSheet> {
  const { members, evidence, previous, now } = input
  const { standings, pendingClaims } = readSituation(input)
  return new Map(
    members.map(({ name }) => {
      const standing = standings.get(name) ?? { kind: 'unknown' }
      const known = evidence.get(name)
      const failing = known?.failing ?? null
      const pending = pendingClaims.get(name) ?? null
      const claim: ClaimEvidence | null =
        standing.kind !== 'claims-primary'
          ? null
          : {
              timelineId: standing.timelineId,
              confirmed: standing.confirmed,
              against: previous.epoch === null ? null : compare(standing.timelineId, previous.epoch.timelineId),
              latched: pending?.latched ?? false,
              graceLeftMs: graceLeftMs(pending, input),
            }
      return [
        name,
        {
          standing: describeStanding(standing),
          claim,
          votesFor: primaryNamedBy(name, input),
          repmgr: known?.lastAnswer?.answer.repmgr.kind ?? null,
          failing:
            failing === null
              ? null
              : {
                  failure: failing.failure,
                  count: failing.count,
                  forMs: Math.max(0, Math.round(now - (known?.failingSince ?? failing.firstSentAt))),
                },
        },
      ]
    }),
  )
}

function compare(timelineId: number, accepted: number): 'below' | 'same' | 'above' {
  if (timelineId === accepted) return 'same'
  return timelineId < accepted ? 'below' : 'above'
}
