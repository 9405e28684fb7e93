/**
 * What happens to the demo's application, one value for each thing worth counting. Pure.
 * Times are milliseconds of `performance.now()` of the process that runs the application.
 */

/** A connection attempt succeeded: it may have been held by the proxy before. */
export interface Connected {
  readonly kind: 'connected'
  /** When the attempt began. */
  readonly startedAt: number
  readonly at: number
}

/** A connection attempt failed. */
export interface ConnectFailed {
  readonly kind: 'connect-failed'
  readonly startedAt: number
  readonly at: number
  /** SQLSTATE, else Node's code (`ECONNREFUSED`), else `none`. */
  readonly code: string
  /** A server had begun to ask for the password: from there on no proxy can start the login over unseen. */
  readonly wasChallenged: boolean
}

/** A session that was open ended under the application, or its write failed. Once for each session. */
export interface SessionLost {
  readonly kind: 'session-lost'
  readonly at: number
  /** As in ConnectFailed. */
  readonly code: string
}

/** The database said that the write is committed. */
export interface Acknowledged {
  readonly kind: 'acknowledged'
  readonly at: number
  /** The invoice's number: unique, and the same in every attempt to write it. */
  readonly number: string
  /** When the first attempt was sent. */
  readonly firstSentAt: number
  /** How often it was sent; more than 1 after an error that left it in doubt. */
  readonly attempts: number
  /** The node that acknowledged it, by the port that the server itself named in its answer. */
  readonly node: string
  /** When the session was opened that got the answer. */
  readonly connectedAt: number
}

export type AppEvent = Connected | ConnectFailed | SessionLost | Acknowledged

/** How errors without a SQLSTATE or a code of Node are counted. */
export const NO_CODE = 'none'

/** What to count an error under. */
export function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' && code !== '' ? code : NO_CODE
}

/** `57P01 x8, 08006 x4, no SQLSTATE x1`, the most frequent first. Empty for no codes. */
export function describeCodes(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort(([a, countA], [b, countB]) => countB - countA || a.localeCompare(b))
    .map(([code, count]) => `${code === NO_CODE ? 'no SQLSTATE' : code} x${count}`)
    .join(', ')
}
