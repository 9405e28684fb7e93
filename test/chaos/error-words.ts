/**
 * The errors that clients of a proxy may see, as docs/operations/how-sessions-end.md and the README have them, and the
 * words of servers that are ended themselves. Pure. Whatever is not here is an error that nobody has documented.
 */
import { type ClientError, GAVE_UP, type Route } from './history.ts'

/**
 * A login that is cut short is told 57P03, whatever its server said: 57P01, 57P02 and 08006 are words to sessions.
 * `hold-expired`: none within `hold.timeout`, or a login that was interrupted: the words are the same. `no-standby`: the
 * same for readers. `stopping`: the proxy stops. `node-lost`: the session's node is not the primary any more, or its server
 * ended the session in its own words. `backend-lost`: the server went without a word. `connection-lost`: so did the proxy,
 * or the way to it, or the proxy could not speak within a message. `gave-up`: the client did. `conflict`: a standby's own.
 */
export type ErrorKind =
  | 'hold-expired'
  | 'no-standby'
  | 'stopping'
  | 'node-lost'
  | 'backend-lost'
  | 'connection-lost'
  | 'gave-up'
  | 'conflict'

interface KnownError {
  readonly kind: ErrorKind
  readonly codes: readonly (string | null)[]
  readonly words: RegExp
  /** Where it may be seen; absent: everywhere. */
  readonly during?: 'connect' | 'session'
  readonly route?: Route
}

const SOCKET_CODES = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']

const KNOWN_ERRORS: readonly KnownError[] = [
  {
    kind: 'hold-expired',
    codes: ['57P03'],
    words: /no primary available \(no connection to the server\)$/,
    during: 'connect',
  },
  {
    kind: 'no-standby',
    codes: ['57P03'],
    words: /no standby available \(no connection to the server\)$/,
    during: 'connect',
    route: 'read',
  },
  { kind: 'stopping', codes: ['57P03'], words: /^the database system is shutting down$/, during: 'connect' },
  {
    kind: 'node-lost',
    codes: ['57P01'],
    words:
      /^terminating connection due to (?:administrator command|unexpected postmaster exit|immediate shutdown command)$/,
    during: 'session',
  },
  {
    kind: 'node-lost',
    codes: ['57P02'],
    words: /^terminating connection because of crash of another server process$/,
    during: 'session',
  },
  { kind: 'backend-lost', codes: ['08006'], words: /^server closed the connection unexpectedly$/, during: 'session' },
  { kind: 'connection-lost', codes: SOCKET_CODES, words: /./ },
  { kind: 'connection-lost', codes: [null], words: /^Connection terminated(?: unexpectedly)?$/ },
  { kind: 'gave-up', codes: [GAVE_UP], words: /./ },
  { kind: 'conflict', codes: ['40001', '57P01'], words: /conflict with recovery$/, during: 'session', route: 'read' },
]

/** Which of the documented errors it is; `null`: none. */
export function classifyError(error: ClientError, during: 'connect' | 'session', route: Route): ErrorKind | null {
  const known = KNOWN_ERRORS.find(
    (each) =>
      each.codes.includes(error.code) &&
      each.words.test(error.message) &&
      (each.during ?? during) === during &&
      (each.route ?? route) === route,
  )
  return known?.kind ?? null
}
