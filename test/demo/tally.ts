/**
 * Counts what the demo's application went through, from its events, the scenario's own times and the rows that are in
 * the databases. Pure: it judges nothing (that is verdict.ts) and prints nothing (result-table.ts).
 */
import type { Acknowledged, AppEvent, ConnectFailed } from './app-event.ts'

/** A time without a primary, as the scenario made it. Times as in AppEvent. */
export interface Disturbance {
  readonly what: string
  /** When the old primary was struck. */
  readonly lostAt: number
  /** When the last of its processes was gone. */
  readonly goneAt: number
  /** When a node was seen to take writes, asked directly: `pg_is_in_recovery()` is false. */
  readonly backAt: number
  /** The node that takes writes from `backAt` on. */
  readonly node: string
  /** False when the same primary came back. */
  readonly isPromotion: boolean
}

export interface TallyInput {
  /** In the order in which they happened. */
  readonly events: readonly AppEvent[]
  readonly initialPrimary: string
  /** In the order in which they happened. */
  readonly disturbances: readonly Disturbance[]
  readonly firstRouted: readonly FirstRouted[]
  /** When the application was stopped. */
  readonly stoppedAt: number
  /** Numbers of the invoices in the database of the last primary, at the end. */
  readonly rowsAtEnd: ReadonlySet<string>
  /** What the old primary's database held when it was about to be cloned anew. */
  readonly oldPrimary: { readonly node: string; readonly rows: ReadonlySet<string> }
}

/** One disturbance as the application saw it. */
export interface Outage {
  readonly what: string
  /** From the strike to the moment a node takes writes again: nobody's proxy can make this shorter. */
  readonly withoutPrimaryMs: number
  /** The longest time without an acknowledged write around it. */
  readonly withoutWriteMs: number
}

/** How fast a promoted node was found, counted from the moment it took writes. `null`: never. */
export interface Promotion {
  readonly node: string
  /** Until the proxy logged that it had routed a session there. To the millisecond, since the log has no more. */
  readonly toRoutedMs: number | null
  /** Until the application had a new session open there, login and all. */
  readonly toFirstSessionMs: number | null
}

/** The proxy logged that it routed the first session to a new primary. */
export interface FirstRouted {
  readonly node: string
  readonly at: number
}

export interface Tally {
  readonly writesAcknowledged: number
  /** Acknowledged, and not in the last primary's database. */
  readonly writesLost: number
  /** Acknowledged by a node after another had been promoted, or found in the old primary's database though sent then. */
  readonly writesOnOldPrimary: number
  /** Left in doubt by an error, sent again under the same number, and acknowledged. */
  readonly writesRepeated: number
  /** Of running sessions; each session counts once. */
  readonly errorsBySqlstate: Readonly<Record<string, number>>
  /** 25006, wherever it was seen. */
  readonly readOnlyErrors: number
  readonly connectionsOpened: number
  /** Attempts that failed, except those that a dying server cut short. */
  readonly connectionsRefused: number
  readonly refusalsByCode: Readonly<Record<string, number>>
  /** A server that had begun to ask for the password died before the login was complete. */
  readonly loginsCutShort: number
  readonly longestConnectMs: number
  readonly longestStallMs: number
  readonly outages: readonly Outage[]
  readonly promotions: readonly Promotion[]
}

/** The proxy may need this long to notice that a server died in the middle of a login. */
const CUT_SHORT_SLACK_MS = 1_000

const READ_ONLY = '25006'

/** Times are rounded to tenths of a millisecond. */
export function tally(input: TallyInput): Tally {
  const { events, disturbances } = input
  const acknowledged = events.filter((event) => event.kind === 'acknowledged')
  const failed = events.filter((event) => event.kind === 'connect-failed')
  const connected = events.filter((event) => event.kind === 'connected')
  const lost = events.filter((event) => event.kind === 'session-lost')
  const cutShort = failed.filter((attempt) => wasCutShort(attempt, disturbances))
  const refused = failed.filter((attempt) => !cutShort.includes(attempt))
  const gaps = gapsBetween(acknowledged, input.stoppedAt)
  return {
    writesAcknowledged: acknowledged.length,
    writesLost: acknowledged.filter(({ number }) => !input.rowsAtEnd.has(number)).length,
    writesOnOldPrimary: writesOnOldPrimary(acknowledged, input).size,
    writesRepeated: acknowledged.filter(({ attempts }) => attempts > 1).length,
    errorsBySqlstate: countCodes(lost),
    readOnlyErrors: [...lost, ...failed].filter(({ code }) => code === READ_ONLY).length,
    connectionsOpened: connected.length,
    connectionsRefused: refused.length,
    refusalsByCode: countCodes(refused),
    loginsCutShort: cutShort.length,
    longestConnectMs: round(Math.max(0, ...connected.map(({ startedAt, at }) => at - startedAt))),
    longestStallMs: round(Math.max(0, ...gaps.map(lengthOf))),
    outages: disturbances.map((disturbance) => ({
      what: disturbance.what,
      withoutPrimaryMs: round(disturbance.backAt - disturbance.lostAt),
      withoutWriteMs: round(Math.max(0, ...gaps.filter((gap) => overlaps(gap, disturbance)).map(lengthOf))),
    })),
    promotions: disturbances
      .filter(({ isPromotion }) => isPromotion)
      .map((disturbance) => ({
        node: disturbance.node,
        toRoutedMs: sinceBack(input.firstRouted.filter(isAbout(disturbance)), disturbance),
        toFirstSessionMs: sinceBack(sessionsOn(acknowledged, disturbance), disturbance),
      })),
  }
}

function writesOnOldPrimary(acknowledged: readonly Acknowledged[], input: TallyInput): ReadonlySet<string> {
  const { disturbances, initialPrimary, oldPrimary } = input
  const found = new Set<string>()
  for (const write of acknowledged) {
    const promotion = disturbances.findLast(({ backAt }) => backAt <= write.at)
    const rightful = promotion?.node ?? initialPrimary
    // The application may hear of a promotion a moment before whoever looks for it every few milliseconds.
    const coming = disturbances.find(({ lostAt, backAt }) => lostAt <= write.at && write.at < backAt)?.node
    if (write.node !== rightful && write.node !== coming) found.add(write.number)
  }
  // A write that was sent before may lie there rightly: unacknowledged then, and sent to the new primary again.
  const successor = disturbances.find(({ isPromotion, node }) => isPromotion && node !== oldPrimary.node)
  if (successor === undefined) return found
  for (const { number, firstSentAt } of acknowledged) {
    if (firstSentAt >= successor.backAt && oldPrimary.rows.has(number)) found.add(number)
  }
  return found
}

function wasCutShort(attempt: ConnectFailed, disturbances: readonly Disturbance[]): boolean {
  const isDuring = ({ lostAt, goneAt }: Disturbance) =>
    attempt.startedAt <= goneAt && attempt.at >= lostAt && attempt.at <= goneAt + CUT_SHORT_SLACK_MS
  return attempt.wasChallenged && disturbances.some(isDuring)
}

/** Sessions that got an answer from the node: only then is it known where they had been routed. */
function sessionsOn(acknowledged: readonly Acknowledged[], disturbance: Disturbance): readonly FirstRouted[] {
  return acknowledged.map(({ node, connectedAt }) => ({ node, at: connectedAt })).filter(isAbout(disturbance))
}

function isAbout({ node, lostAt }: Disturbance): (event: FirstRouted) => boolean {
  return (event) => event.node === node && event.at >= lostAt
}

/** 0 when the first came before the moment was noticed that they are counted from. */
function sinceBack(events: readonly FirstRouted[], { backAt }: Disturbance): number | null {
  if (events.length === 0) return null
  const first = events.reduce((earliest, { at }) => Math.min(earliest, at), Number.POSITIVE_INFINITY)
  return round(Math.max(0, first - backAt))
}

interface Gap {
  readonly from: number
  readonly to: number
}

function gapsBetween(acknowledged: readonly Acknowledged[], stoppedAt: number): readonly Gap[] {
  const times = [...acknowledged.map(({ at }) => at).filter((at) => at < stoppedAt), stoppedAt]
  return times.slice(1).map((to, index) => ({ from: times[index] ?? to, to }))
}

function overlaps(gap: Gap, { lostAt, backAt }: Disturbance): boolean {
  return gap.to >= lostAt && gap.from <= backAt
}

function lengthOf({ from, to }: Gap): number {
  return to - from
}

function countCodes(errors: readonly { readonly code: string }[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { code } of errors) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

function round(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10
}
