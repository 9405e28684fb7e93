/**
 * What repmgr's `event_notification_command` tells the proxy, and how it is read out of a request's body or query. Part of
 * the admin server; pure. A notification is a hint to look, and never evidence.
 *
 * @see https://repmgr.org/docs/current/event-notifications.html
 */

export interface Notification {
  /** repmgr's name of the event, also one that is not known here. */
  readonly event: string
  /** repmgr's `node_id`, as it was given; `null` when it was not. */
  readonly nodeId: string | null
  /** `null` when that was not said. */
  readonly success: boolean | null
  /** repmgr's words; `null` when there are none. */
  readonly details: string | null
  /** repmgr's time, unread; `null` when it was not given. */
  readonly timestamp: string | null
}

export type NotificationReading =
  | { readonly ok: true; readonly notification: Notification }
  | { readonly ok: false; readonly problem: string }

const FORM = 'give event, node, success, details, timestamp: in the query (?event=…&node=…), or as JSON in the body'
const EVENT = /^[a-z][a-z0-9_]{0,63}$/
const KNOWN: ReadonlySet<string> = new Set(['event', 'node', 'success', 'details', 'timestamp'])
/** Characters of the details; repmgr's are a sentence. */
const DETAILS_LENGTH_MAX = 500
const WORD_LENGTH_MAX = 64

/** Reads what `POST /api/notify` was given. Only the event is needed; text that is too long is cut. */
export function readNotification(fields: Readonly<Record<string, unknown>>): NotificationReading {
  const { event, node, success, details, timestamp } = fields
  const isKnown = Object.keys(fields).every((key) => KNOWN.has(key))
  if (!isKnown || typeof event !== 'string' || !EVENT.test(event)) return { ok: false, problem: FORM }
  const notification: Notification = {
    event,
    nodeId: lineOf(typeof node === 'number' ? String(node) : node, WORD_LENGTH_MAX),
    success: readSuccess(success),
    details: lineOf(details, DETAILS_LENGTH_MAX),
    timestamp: lineOf(timestamp, WORD_LENGTH_MAX),
  }
  return { ok: true, notification }
}

/** repmgr writes 1 and 0. */
function readSuccess(value: unknown): boolean | null {
  if (typeof value === 'boolean') return value
  if (value === '1' || value === 1 || value === 'true') return true
  return value === '0' || value === 0 || value === 'false' ? false : null
}

/** On one line, cut; `null` when there is nothing. */
function lineOf(value: unknown, lengthMax: number): string | null {
  if (typeof value !== 'string') return null
  const line = value.replaceAll(/\p{Cc}+/gu, ' ').trim()
  return line === '' ? null : line.slice(0, lengthMax)
}
