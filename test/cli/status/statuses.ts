/** Answers of `GET /api/status` for tests, made from scenarios by the daemon's own code. Test support. */
import { buildStatus, type Status } from '../../../src/observability/status.ts'
import { CLOSE_REASON_KINDS, type CloseReasonKind } from '../../../src/session/close-reason.ts'
import { Scenario } from '../../topology/scenario.ts'

/** One probe that failed in so many ways: what the nodes say, as in test/topology/scenario.ts. */
export interface StatusOptions {
  /** `1 node1`: what was accepted before; none for a cold start. */
  readonly epoch?: string
  readonly fenced?: string[]
  /** Turns of 100 ms; the last is what is seen now. */
  readonly turns: readonly (readonly string[])[]
  readonly held?: number
  readonly draining?: boolean
  readonly predecessors?: Status['predecessors']
  readonly workers?: Status['workers']
}

export const NOW = new Date('2026-01-01T12:00:00.000Z')

/** The status after these turns, as a running proxy would answer it. */
export function statusAfter({
  epoch,
  fenced = [],
  turns,
  held = 0,
  draining = false,
  predecessors = [],
  workers = [],
}: StatusOptions): Status {
  const scenario = new Scenario({
    nodes: turns[0]?.length ?? 0,
    fenced,
    ...(epoch === undefined ? {} : { epoch }),
  })
  for (const says of turns) scenario.turn(says, 100)
  const none = Object.fromEntries(CLOSE_REASON_KINDS.map((kind) => [kind, 0])) as Record<CloseReasonKind, number>
  return buildStatus({
    decision: scenario.decision,
    state: scenario.state,
    members: scenario.members,
    evidence: scenario.evidence,
    policy: scenario.policy,
    sessionCountOn: (node) => (node === scenario.state.primary ? 4 : 0),
    sessions: { active: scenario.state.primary === null ? 0 : 4, held, accepted: 10, ended: none },
    listeners: ['127.0.0.1:5432'],
    isDraining: draining,
    predecessors,
    workers,
    version: '1.2.3',
    startedAt: scenario.now - 90_000,
    now: scenario.now + 120,
    wallTime: NOW,
  })
}
