/** The body of `GET /api/failovers` -> records. Pure. */
import { z } from 'zod'
import type { FailoverList } from '../../observability/failover-list.ts'
import { FAILOVER_RECORD_SCHEMA } from '../../observability/failover-record.ts'

const LIST_SCHEMA = z.object({ total: z.number(), failovers: z.array(FAILOVER_RECORD_SCHEMA) })

/** `null` when it is no failover journal that this version can read. */
export function parseFailovers(body: unknown): FailoverList | null {
  const parsed = LIST_SCHEMA.safeParse(body)
  return parsed.success ? parsed.data : null
}
