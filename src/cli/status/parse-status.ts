/**
 * The body of `GET /api/status` -> Status. Pure. Another version of the proxy may answer: what a screen cannot do without
 * is checked, and what is merely missing gets an empty value.
 */
import { z } from 'zod'
import type { Status } from '../../observability/status.ts'
import { NODE_ROLES, TOPOLOGY_KINDS } from '../../topology/topology-state.ts'

const nullableText = z.string().nullable().default(null)
const nullableNumber = z.number().nullable().default(null)

const NODE_SCHEMA = z.looseObject({
  name: z.string(),
  address: z.string(),
  role: z.enum(NODE_ROLES).catch('unknown'),
  inRecovery: z.boolean().nullable().default(null),
  timelineId: nullableNumber,
  systemIdentifier: nullableText,
  lsn: nullableText,
  replayLagBytes: nullableNumber,
  upstream: nullableText,
  lastSeenMs: nullableNumber,
  sessions: z.number().default(0),
  readable: z.boolean().default(false),
  endsSessions: nullableText,
  problem: nullableText,
  standing: z.string().default(''),
  claim: z
    .looseObject({
      timelineId: z.number(),
      confirmed: z.boolean(),
      against: z.enum(['below', 'same', 'above']).nullable(),
      latched: z.boolean(),
      graceLeftMs: nullableNumber,
    })
    .nullable()
    .default(null),
  votesFor: nullableText,
  repmgr: z.enum(['rows', 'absent', 'denied']).nullable().catch(null),
  failing: z.looseObject({ failure: z.string(), count: z.number(), forMs: z.number() }).nullable().default(null),
})

const STATUS_SCHEMA = z.looseObject({
  state: z.enum(TOPOLOGY_KINDS),
  rule: z.string().nullable().default(null),
  reason: z.string(),
  /** An older proxy does not say. */
  outlook: z.array(z.string()).nullable().default(null),
  primary: nullableText,
  incumbent: nullableText,
  timelineId: nullableNumber,
  systemIdentifier: nullableText,
  epoch: z
    .looseObject({ node: z.string(), timelineId: z.number(), systemIdentifier: z.string(), at: z.string() })
    .nullable()
    .default(null),
  since: z.string(),
  nodes: z.array(NODE_SCHEMA),
  sessions: z.looseObject({ active: z.number(), held: z.number() }),
  warnings: z.array(z.string()).default([]),
  draining: z.boolean().default(false),
  predecessors: z
    .array(z.looseObject({ pid: z.number(), version: z.string(), startedAt: z.string(), sessions: z.number() }))
    .default([]),
  /** An older proxy has none. */
  workers: z
    .array(
      z.looseObject({
        worker: z.number(),
        pid: z.number(),
        sessions: z.number(),
        rssBytes: z.number(),
        cpuSeconds: z.number(),
        eventLoopDelayMs: z.number(),
      }),
    )
    .default([]),
  version: z.string().default('unknown'),
  uptimeSeconds: z.number().default(0),
})

/** What the screens show of a Status. */
export type ShownStatus = Pick<
  Status,
  | 'state'
  | 'reason'
  | 'primary'
  | 'incumbent'
  | 'timelineId'
  | 'systemIdentifier'
  | 'epoch'
  | 'since'
  | 'nodes'
  | 'warnings'
  | 'draining'
  | 'predecessors'
  | 'workers'
  | 'version'
  | 'uptimeSeconds'
> & {
  readonly sessions: Pick<Status['sessions'], 'active' | 'held'>
  /** Of a rule that this version need not know. */
  readonly rule: string | null
  /** `null`: the proxy is older and does not say. */
  readonly outlook: readonly string[] | null
}

/** `null` when it is not the status of a proxy. */
export function parseStatus(body: unknown): ShownStatus | null {
  const parsed = STATUS_SCHEMA.safeParse(body)
  return parsed.success ? parsed.data : null
}
