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
  problem: nullableText,
})

const STATUS_SCHEMA = z.looseObject({
  state: z.enum(TOPOLOGY_KINDS),
  reason: z.string(),
  primary: nullableText,
  incumbent: nullableText,
  timelineId: nullableNumber,
  systemIdentifier: nullableText,
  since: z.string(),
  nodes: z.array(NODE_SCHEMA),
  sessions: z.looseObject({ active: z.number(), held: z.number() }),
  warnings: z.array(z.string()).default([]),
  draining: z.boolean().default(false),
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
  | 'since'
  | 'nodes'
  | 'warnings'
  | 'draining'
  | 'version'
  | 'uptimeSeconds'
> & { readonly sessions: Pick<Status['sessions'], 'active' | 'held'> }

/** `null` when it is not the status of a proxy. */
export function parseStatus(body: unknown): ShownStatus | null {
  const parsed = STATUS_SCHEMA.safeParse(body)
  return parsed.success ? parsed.data : null
}
