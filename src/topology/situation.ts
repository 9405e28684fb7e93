/**
 * What a decision is made from: the input as it comes, and the same read once for all rules (standings, claims, the
 * incumbent). No rule lives here.
 */
import { type Claim, type Incumbent, pendingAfter, readClaims, readIncumbent } from './claims.ts'
import type { NodeEvidence } from './evidence.ts'
import type { Rule } from './rules.ts'
import { type Member, readStanding, type Standing } from './standing.ts'
import type { Decision, Epoch, PendingClaim, TopologyState } from './topology-state.ts'
import { findUnreadWitness } from './unread-witness.ts'

export interface Policy {
  /** More than half of the registered members must be observable, always and not only at a cold start. */
  readonly requireMajority: boolean
  /** How long an unsanctioned claim waits for its repmgr row. */
  readonly graceMs: number
  /** End the incumbent's sessions when its server provably no longer listens. */
  readonly endSessionsWhenRefused: boolean
  /** How many timeouts in a row count as silence. */
  readonly failuresToCount: number
}

export interface DecisionInput {
  readonly previous: TopologyState
  /** Everybody who is probed, in config order, discovered ones after. */
  readonly members: readonly Member[]
  readonly evidence: ReadonlyMap<string, NodeEvidence>
  readonly policy: Policy
  /** Monotonic milliseconds. */
  readonly now: number
  /** Wall time, ISO 8601; only for the `at` of a new epoch. */
  readonly wallTime: string
}

/** The heart of a decision, before roles, warnings and pace are worked out. */
export interface Ruling {
  readonly rule: Rule
  readonly kind: Decision['kind']
  readonly reason: string
  readonly primary: string | null
  readonly provenAt: number
  readonly accept: Epoch | null
}

export interface Situation {
  readonly input: DecisionInput
  readonly pinned: string | null
  readonly standings: ReadonlyMap<string, Standing>
  /** Everybody who says it is primary and is neither fenced nor foreign, one claim for each running server. */
  readonly claims: readonly Claim[]
  readonly incumbent: Incumbent
  readonly pendingClaims: ReadonlyMap<string, PendingClaim>
}

export function readSituation(input: DecisionInput): Situation {
  const { previous, members, evidence, policy } = input
  const pinned = previous.epoch?.systemIdentifier ?? null
  const standings = new Map<string, Standing>()
  for (const member of members) {
    const known = evidence.get(member.name)
    const standing: Standing =
      known === undefined ? { kind: 'unknown' } : readStanding(member, known, pinned, policy.failuresToCount)
    const isClaim = standing.kind === 'claims-primary' || standing.kind === 'foreign'
    const denied = isClaim ? findUnreadWitness(member, members, evidence, pinned) : null
    standings.set(member.name, denied === null ? standing : { kind: 'witness', denied })
  }
  const claims = readClaims(members, standings, previous)
  const incumbent = readIncumbent(previous, standings, claims)
  const pendingClaims = pendingAfter(previous, standings, claims, incumbent, input.now, policy.graceMs)
  return { input, pinned, standings, claims, incumbent, pendingClaims }
}
