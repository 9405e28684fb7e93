/**
 * Judges what the clients of a scenario saw against what the last primary holds: the promises, as sentences about those
 * that were broken. Pure. It knows what replication itself may lose: rows that a former primary committed at or after
 * the position where the next timeline forked off.
 */
import { formatLsn, type Lsn, parseLsn } from '../../src/topology/lsn.ts'
import type { Acknowledgement, ClientError, Ledger } from './client/ledger.ts'

/** What the servers and the proxy say about the same time. */
export interface Facts {
  /** Of the last primary. */
  readonly timelineId: number
  /** Where each earlier timeline ended, by the last primary's history. */
  readonly forks: ReadonlyMap<number, Lsn>
  /** The invoices that the last primary holds. */
  readonly stored: ReadonlySet<string>
  /** When the proxy accepted the primary of each timeline, in milliseconds of the wall clock. */
  readonly acceptedAt: ReadonlyMap<number, number>
  /** Logins that the proxy had to cut short because their server died half-way. */
  readonly loginsCutShort: number
  /** When the proxy itself was away, by the test's own doing: connections that failed meanwhile prove nothing. */
  readonly proxyAway: readonly { readonly from: number; readonly to: number }[]
}

export interface Verdict {
  /** Empty when all promises were kept. */
  readonly violations: readonly string[]
  readonly acknowledgedCount: number
  /** Acknowledged rows that are not there because the former primary had not sent them on; by its timeline. */
  readonly lostByReplication: ReadonlyMap<number, number>
  readonly errorsByCode: Readonly<Record<string, number>>
}

/** With these a session that was open may end. */
const SESSION_ENDS = new Set(['57P01', '57P02', '08006'])

export function judge(ledger: Ledger, facts: Facts): Verdict {
  const { acknowledged } = ledger
  const isExcused = ({ sentAt, at }: ClientError): boolean =>
    facts.proxyAway.some(({ from, to }) => at >= from && sentAt <= to)
  const errors = ledger.errors.filter((error) => !isExcused(error))
  const missing = acknowledged.filter(({ number }) => !facts.stored.has(number))
  const excused = missing.filter((row) => isBeyondFork(row, ledger, facts))
  const lost = missing.filter((row) => !excused.includes(row))
  return {
    violations: [
      ...sentences('lost', lost, describeRow),
      ...sentences(
        'acknowledged on a timeline that was over',
        acknowledged.filter((row) => isStale(row, facts)),
        describeRow,
      ),
      ...sentences('read-only error', ledger.errors.filter(isReadOnly), describeError),
      ...sentences('session ended in words that drivers do not know', errors.filter(isOddEnd), describeError),
      ...refusals(errors, facts),
    ],
    acknowledgedCount: acknowledged.length,
    lostByReplication: countBy(excused, ({ timelineId }) => timelineId),
    errorsByCode: Object.fromEntries(countBy(ledger.errors, ({ phase, code }) => `${phase} ${code}`)),
  }
}

/**
 * Whether the commit of a row may lie at or after the end of its timeline. The row's own position is from before its
 * commit; that of the same client's next row is from after it.
 */
function isBeyondFork(row: Acknowledgement, { acknowledged }: Ledger, { forks }: Facts): boolean {
  const fork = forks.get(row.timelineId)
  if (fork === undefined) return false
  const isNext = (each: Acknowledgement): boolean =>
    each.client === row.client && each.timelineId === row.timelineId && each.sentAt >= row.at
  const next = acknowledged.find(isNext)
  // A client's last row on the old primary: only its beginning is known, and the commit came within the same moment.
  return next === undefined || positionOf(next) > fork
}

/** Sent after the proxy had accepted a primary on a higher timeline, and still acknowledged on the lower one. */
function isStale({ timelineId, sentAt }: Acknowledgement, { acceptedAt }: Facts): boolean {
  return [...acceptedAt].some(([accepted, at]) => accepted > timelineId && sentAt > at)
}

function isReadOnly({ code, message }: ClientError): boolean {
  return code === '25006' || message.includes('read-only')
}

function isOddEnd(error: ClientError): boolean {
  return error.phase !== 'connect' && !isReadOnly(error) && !SESSION_ENDS.has(error.code)
}

/** New sessions wait. Only a login that a dying server had in its hands may fail, and then with 57P03. */
function refusals(errors: readonly ClientError[], { loginsCutShort }: Facts): string[] {
  const refused = errors.filter(({ phase }) => phase === 'connect')
  const odd = refused.filter(({ code }) => code !== '57P03')
  const excess = refused.length - loginsCutShort
  if (odd.length === 0 && excess <= 0) return []
  const shown = odd.length > 0 ? odd : refused
  return sentences(
    `new session refused (${refused.length}, of which ${loginsCutShort} logins were cut short)`,
    shown,
    describeError,
  )
}

/** One sentence for all of a kind, with the first as the example. */
function sentences<T>(what: string, cases: readonly T[], describe: (each: T) => string): string[] {
  const [first, ...others] = cases
  return first === undefined ? [] : [`${1 + others.length} x ${what}; the first: ${describe(first)}`]
}

function describeRow({ number, node, timelineId, lsn, at }: Acknowledgement): string {
  return `${number} on ${node}, timeline ${timelineId}, at ${lsn}, ${new Date(at).toISOString()}`
}

function describeError({ client, phase, code, message, detail, at }: ClientError): string {
  return `${client}, ${phase}: ${code} ${message} (${detail ?? 'no detail'}), ${new Date(at).toISOString()}`
}

function positionOf({ lsn, number }: Acknowledgement): Lsn {
  const position = parseLsn(lsn)
  if (position === null) throw new Error(`${number} was acknowledged at "${lsn}", which is no LSN`)
  return position
}

function countBy<T, K>(all: readonly T[], keyOf: (each: T) => K): Map<K, number> {
  const counts = new Map<K, number>()
  for (const each of all) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1)
  return counts
}

/**
 * Reads a timeline history file: where each earlier timeline ended.
 *
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
export function parseHistory(text: string): Map<number, Lsn> {
  const forks = new Map<number, Lsn>()
  for (const line of text.split('\n')) {
    const [timeline = '', position = ''] = line.trim().split(/\s+/)
    const lsn = parseLsn(position)
    if (/^\d+$/.test(timeline) && lsn !== null) forks.set(Number(timeline), lsn)
  }
  return forks
}

/** For the test's output: one line. */
export function summarize({ acknowledgedCount, lostByReplication, errorsByCode }: Verdict, { forks }: Facts): string {
  const lost = [...lostByReplication].map(([timelineId, count]) => {
    const fork = forks.get(timelineId)
    return `${count} of timeline ${timelineId} beyond ${fork === undefined ? '?' : formatLsn(fork)}`
  })
  const errors = Object.entries(errorsByCode).map(([code, count]) => `${code} x${count}`)
  return `${acknowledgedCount} acknowledged; lost by replication: ${lost.join(', ') || 'none'}; errors: ${errors.join(', ') || 'none'}`
}
