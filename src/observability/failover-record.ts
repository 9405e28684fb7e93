/**
 * One entry of the failover journal: a change of primary, or a time without one. The schema is what stands on disk and
 * what `GET /api/failovers` answers; the types follow from it. Effect layer; how an entry comes about is in
 * failover-journal.ts.
 */
import { z } from 'zod'
import { NODE_ROLES, TOPOLOGY_KINDS } from '../topology/topology-state.ts'

/**
 * `failover`: another node was accepted. `switchover`: the same, and the old primary was seen to shut down, to be a
 * standby, or to be fenced by an operator. `first-acceptance`: nothing had been accepted before. `operator-accept`: by an
 * operator's order. `outage`: none of these (yet): there was no proven primary, and then the old one again.
 */
export const FAILOVER_KINDS = ['failover', 'switchover', 'first-acceptance', 'operator-accept', 'outage'] as const

/** `interrupted`: the proxy ended before there was a primary again; how it went on is in the entry after it. */
export const FAILOVER_STATES = ['in-progress', 'over', 'interrupted'] as const

const count = z.int().min(0)

/** `afterMs`: since the last good probe of the old primary; `null` when this process never saw one. */
const MOMENT_SCHEMA = z.object({ at: z.string(), afterMs: z.number().nullable() })

const HOLDER_SCHEMA = z.object({ node: z.string(), timelineId: z.int() })

export const FAILOVER_RECORD_SCHEMA = z.object({
  /** Counts up, also over restarts. */
  id: z.int().min(1),
  state: z.enum(FAILOVER_STATES),
  kind: z.enum(FAILOVER_KINDS),
  /** The last accepted primary before; `null` at a cold start. */
  from: HOLDER_SCHEMA.nullable(),
  /** Who serves, or was accepted last; `null` while nobody does. */
  to: HOLDER_SCHEMA.nullable(),
  /** Why the new one was accepted; without one, why there was no primary. */
  reason: z.string(),
  startedAt: z.string(),
  times: z.object({
    /** When the last probe that proved the old primary was sent. */
    lastGoodProbe: MOMENT_SCHEMA.nullable(),
    /** From here on new sessions waited; `null` when an acceptance came first. */
    detection: MOMENT_SCHEMA.nullable(),
    /** The new epoch was on disk; without a new one, the old primary was proven again. */
    proof: MOMENT_SCHEMA.nullable(),
    /** Of those that waited; `null` when none did. */
    firstRouted: MOMENT_SCHEMA.nullable(),
    /** The last held session left the queue; `null` when none was held. */
    allReleased: MOMENT_SCHEMA.nullable(),
  }),
  sessions: z.object({
    /** On the old primary at its last good probe. */
    before: count,
    /** Ended by the proxy. */
    ended: count,
    /** Whose server broke off without a word. Those that it ended in its own words are in no count but `before`. */
    lost: count,
    /** Waits in the hold queue, and what became of them: a node, an error from the proxy, or the client went. */
    held: count,
    released: count,
    expired: count,
    left: count,
  }),
  /** As they were seen at the acceptance; without one, when the primary was found missing. */
  nodes: z.array(
    z.object({
      name: z.string(),
      role: z.enum(NODE_ROLES),
      timelineId: z.int().nullable(),
      problem: z.string().nullable(),
    }),
  ),
  /** Each sentence when it was new; where there were too many, those in the middle are left out. */
  decisions: z.array(
    z.object({ at: z.string(), afterMs: z.number().nullable(), state: z.enum(TOPOLOGY_KINDS), reason: z.string() }),
  ),
  decisionsLeftOut: count,
})

export type FailoverRecord = z.infer<typeof FAILOVER_RECORD_SCHEMA>
export type FailoverKind = FailoverRecord['kind']
export type FailoverMoment = z.infer<typeof MOMENT_SCHEMA>
/** A node that is or was the primary, with its timeline. */
export type PrimaryHolder = z.infer<typeof HOLDER_SCHEMA>

/** Milliseconds between two moments; `null` when one of them never came. */
export function elapsedMs(from: FailoverMoment | null, to: FailoverMoment | null): number | null {
  if (from === null || to === null) return null
  if (from.afterMs !== null && to.afterMs !== null) return to.afterMs - from.afterMs
  const elapsed = Date.parse(to.at) - Date.parse(from.at)
  return Number.isNaN(elapsed) ? null : elapsed
}
