/** What one writer saw of one failover, out of its acknowledgements and errors. Pure. */

/** A line of failover-writer.py. `at`: wall time in milliseconds. */
export type WriterEvent =
  | { readonly at: number; readonly port: number }
  | { readonly at: number; readonly error: string; readonly words: string }

/** SQLSTATE of a write on a standby. */
const READ_ONLY = '25006'

export interface FailoverTimes {
  readonly faultAt: number
  /** When the promoted node was first seen out of recovery. */
  readonly writableAt: number
  /** When watching ended. */
  readonly endAt: number
  /** Of the promoted node. */
  readonly newPort: number
}

export interface Outage {
  /** From the end of recovery to the first acknowledgement by the promoted node; `null`: none while it was watched. */
  readonly recoveredMs: number | null
  /** The longest time between two acknowledgements, the last one and the end of watching included. */
  readonly stallMs: number
  readonly errors: number
  /** Of these: writes that a standby refused. */
  readonly readOnlyErrors: number
}

/** `events` in the order of time, also those before the fault. */
export function outageOf(events: readonly WriterEvent[], times: FailoverTimes): Outage {
  const { faultAt, writableAt, endAt, newPort } = times
  const seen = events.filter(({ at }) => at <= endAt)
  const acknowledged = seen.filter((event) => 'port' in event)
  const lastBefore = acknowledged.findLast(({ at }) => at <= faultAt)?.at ?? faultAt
  let [stallMs, lastAt] = [0, lastBefore]
  for (const { at } of acknowledged) {
    if (at <= faultAt) continue
    stallMs = Math.max(stallMs, at - lastAt)
    lastAt = at
  }
  stallMs = Math.max(stallMs, endAt - lastAt)
  const first = acknowledged.find(({ at, port }) => at > faultAt && port === newPort)
  const errors = seen.filter((event) => 'error' in event && event.at > faultAt)
  return {
    // The writer may be faster than the look at pg_is_in_recovery().
    recoveredMs: first === undefined ? null : Math.max(0, first.at - writableAt),
    stallMs,
    errors: errors.length,
    readOnlyErrors: errors.filter((event) => 'error' in event && event.error === READ_ONLY).length,
  }
}

/** Both writers of one contender as one: the first that writes again, the longest stall, all errors. */
export function together(outages: readonly Outage[]): Outage {
  const recovered = outages.flatMap(({ recoveredMs }) => (recoveredMs === null ? [] : [recoveredMs]))
  return {
    recoveredMs: recovered.length === 0 ? null : Math.min(...recovered),
    stallMs: Math.max(...outages.map(({ stallMs }) => stallMs)),
    errors: outages.reduce((sum, { errors }) => sum + errors, 0),
    readOnlyErrors: outages.reduce((sum, { readOnlyErrors }) => sum + readOnlyErrors, 0),
  }
}
