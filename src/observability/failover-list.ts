/** What `GET /api/failovers` answers: the journal, newest first. Pure. */
import { RECORDS_MAX } from './failover-journal.ts'
import type { FailoverRecord } from './failover-record.ts'

/** Records in one answer unless asked otherwise. */
const RECORDS_SHOWN = 20

export interface FailoverQuery {
  readonly limit: number
}

export interface FailoverList {
  /** In the journal. */
  readonly total: number
  /** Newest first; at most as many as asked for. */
  readonly failovers: readonly FailoverRecord[]
}

/** Reads `?limit=…`; `null` when it is no whole number of 0 to 100. */
export function readFailoverQuery(parameters: URLSearchParams): FailoverQuery | null {
  const limit = parameters.get('limit') ?? String(RECORDS_SHOWN)
  return /^\d{1,3}$/.test(limit) && Number(limit) <= RECORDS_MAX ? { limit: Number(limit) } : null
}

export function listFailovers(records: readonly FailoverRecord[], { limit }: FailoverQuery): FailoverList {
  return { total: records.length, failovers: records.toReversed().slice(0, limit) }
}
