/**
 * Errors of a probe -> failure class and one line for the operator. Pure, though errors of Node, OpenSSL and `pg` come
 * in. It never says what a failure means for the node: that is decide-topology.ts.
 *
 * SQLSTATE is the same in every language, the text is not. FATAL 57P03 carries the phase in its text alone (file and
 * line change with every release), so a server that speaks another language is `recovering`, the neutral class.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html#ERRCODES-TABLE
 */
import type { FailureClass } from '../topology/observation.ts'
import type { ProbeStage } from './monitor-access.ts'

/** A failure whose class is known where it happens. `message` is the operator's line. */
export class ProbeError extends Error {
  readonly failure: FailureClass

  constructor(failure: FailureClass, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ProbeError'
    this.failure = failure
  }
}

/** What an Observation of kind `failed` says of its cause. */
export interface ProbeFailure {
  readonly failure: FailureClass
  readonly detail: string
}

/** An ErrorResponse, as far as it counts here. `severity` is translated by the server: never compare it. */
export interface ServerError {
  readonly code: string
  readonly severity: string
  readonly message: string
  readonly detail: string | undefined
}

/** Longest detail line, characters. */
const DETAIL_LENGTH_MAX = 300

/** From the most telling to the vaguest: of several addresses that failed, the vaguest speaks for all. */
const VAGUENESS: readonly FailureClass[] = [
  'refused',
  'reset',
  'shutting-down',
  'starting-up',
  'recovering',
  'too-many-connections',
  'permission',
  'auth',
  'protocol',
  'vanished',
  'dns',
  'timeout',
]

const FAILURE_OF_SYSTEM_CODE: ReadonlyMap<string, FailureClass> = new Map(
  Object.entries({
    ECONNREFUSED: 'refused',
    // The socket file of a Unix socket goes with the postmaster.
    ENOENT: 'refused',
    ECONNRESET: 'reset',
    ECONNABORTED: 'reset',
    EPIPE: 'reset',
    ENOTFOUND: 'dns',
    EAI_AGAIN: 'dns',
    EAI_FAIL: 'dns',
    EAI_NODATA: 'dns',
    EAI_NONAME: 'dns',
    EAI_MEMORY: 'dns',
    EAI_SYSTEM: 'dns',
    ENODATA: 'dns',
    ESERVFAIL: 'dns',
    ETIMEDOUT: 'timeout',
    EHOSTUNREACH: 'timeout',
    EHOSTDOWN: 'timeout',
    ENETUNREACH: 'timeout',
    ENETDOWN: 'timeout',
    ENETRESET: 'timeout',
    // What fails on our own side says nothing about the node. `timeout` is the class that counts only when it lasts.
    EADDRNOTAVAIL: 'timeout',
    EAFNOSUPPORT: 'timeout',
    EMFILE: 'timeout',
    ENFILE: 'timeout',
    ENOBUFS: 'timeout',
    ENOMEM: 'timeout',
    EPERM: 'timeout',
  } as const),
)

const NO_SUCH_NAME: ReadonlySet<string> = new Set(['ENOTFOUND', 'EAI_NONAME', 'EAI_NODATA', 'ENODATA'])

/**
 * The class and the operator's line of anything a probe can throw. Total: an unknown error is `protocol`. `secret` is
 * the password that was sent: a hostile server may have put it into its answer, and it is taken out of the line.
 */
export function classifyFailure(error: unknown, secret: string | null = null): ProbeFailure {
  const tell = (failure: FailureClass, text: string): ProbeFailure => ({ failure, detail: oneLine(text, secret) })
  if (error instanceof ProbeError) return tell(error.failure, error.message)
  const answered = asServerError(error)
  if (answered !== null) return tell(...classifyServerError(answered))
  if (error instanceof AggregateError && error.errors.length > 0) {
    const failures = error.errors.map((each) => classifyFailure(each, secret))
    return tell(vaguest(failures), failures.map(({ detail }) => detail).join('; '))
  }
  if (!(error instanceof Error)) return tell('protocol', printed(error))

  const code = systemCode(error)
  const text = error.message === '' ? code : error.message
  if (code === 'EACCES') {
    // A Unix socket that we may not open; on TCP it is a local packet filter.
    return tell(/\.s\.PGSQL\./.test(text) ? 'permission' : 'timeout', text)
  }
  const failure = FAILURE_OF_SYSTEM_CODE.get(code)
  if (failure !== undefined) return tell(failure, text)
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return tell('protocol', text)
  // A certificate that fails its check, or no common TLS version: somebody lives there whom we may not believe.
  if (isTlsCode(code)) return tell('auth', `TLS: ${text}`)
  if (text.startsWith('Connection terminated')) return tell('reset', 'the server closed the connection without a word')
  if (text.startsWith('SASL')) return tell('auth', text)
  return tell('protocol', text)
}

/** True when the resolver says that there is no such name, and not merely that it could not find out. */
export function isNameGone(error: unknown): boolean {
  return error instanceof Error && NO_SUCH_NAME.has(systemCode(error))
}

/** The observation of a probe that ran out of time, told with the stage that never answered. */
export function timeoutFailure(stage: ProbeStage, timeoutMs: number): ProbeFailure {
  switch (stage) {
    case 'resolve':
      // The node was never asked: the resolver is what is silent.
      return { failure: 'dns', detail: `name resolution did not finish within ${timeoutMs} ms` }
    case 'connect':
      return { failure: 'timeout', detail: `no TCP connection within ${timeoutMs} ms` }
    case 'tls':
      return { failure: 'timeout', detail: `connected, but no answer to the TLS request within ${timeoutMs} ms` }
    case 'startup':
      return { failure: 'timeout', detail: `connected, but the log-in did not finish within ${timeoutMs} ms` }
    case 'query':
      return { failure: 'timeout', detail: `logged in, but no answer to the query within ${timeoutMs} ms` }
    default:
      return stage satisfies never
  }
}

/** The ErrorResponse in an error of `pg`; `null` when the server did not send one. */
export function asServerError(error: unknown): ServerError | null {
  if (typeof error !== 'object' || error === null) return null
  const { code, severity, message, detail } = error as Record<string, unknown>
  // Node's own codes can look like an SQLSTATE (`EPIPE`); only an ErrorResponse has a severity.
  if (typeof code !== 'string' || typeof severity !== 'string' || typeof message !== 'string') return null
  return { code, severity, message, detail: typeof detail === 'string' ? detail : undefined }
}

/** True for errors of TLS itself: handshake, protocol version, certificate. */
export function isTlsFailure(error: unknown): boolean {
  return error instanceof Error && isTlsCode(systemCode(error))
}

function classifyServerError({ code, message, detail }: ServerError): [FailureClass, string] {
  const text = `${code}: ${message}${detail === undefined ? '' : ` (${detail})`}`
  switch (code) {
    case '57P03':
      return [phaseOf(message), text]
    // The server ended us. The text cannot say whether it ends everybody (a stop) or us alone
    // (pg_terminate_backend): the next connection tells, so this is no more than a broken connection.
    case '57P01':
    case '57P02':
    case '57P04':
    case '57P05':
    case '25P03':
      return ['reset', text]
    case '57014':
      return ['timeout', text]
    case '3D000':
      return ['auth', `${text}; create it or set monitor.database to one that exists`]
    case '42501':
      return ['permission', text]
    default:
      if (code.startsWith('28')) return ['auth', text]
      // 53300 and its kin (memory, disk, configured limits): alive, and too busy to be observed.
      if (code.startsWith('53')) return ['too-many-connections', text]
      return ['protocol', text]
  }
}

function phaseOf(message: string): FailureClass {
  if (message.startsWith('the database system is shutting down')) return 'shutting-down'
  if (message.startsWith('the database system is starting up')) return 'starting-up'
  return 'recovering'
}

function vaguest(failures: readonly ProbeFailure[]): FailureClass {
  const ranks = failures.map(({ failure }) => VAGUENESS.indexOf(failure))
  return VAGUENESS[Math.max(...ranks)] ?? 'timeout'
}

/** Whatever somebody threw that is no Error; some objects cannot even be printed. */
function printed(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return 'something that is no error was thrown'
  }
}

function systemCode(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** OpenSSL's verification results come as bare names (`CERT_HAS_EXPIRED`), everything else with a prefix. */
function isTlsCode(code: string): boolean {
  return code === 'EPROTO' || /^ERR_(SSL|TLS|OSSL)_/.test(code) || /CERT|SIGNATURE|CRL|^HOSTNAME_MISMATCH$/.test(code)
}

/** A server's text goes into our log: no secret, no line breaks, no control characters, no end of it. */
function oneLine(text: string, secret: string | null): string {
  const safe = secret === null || secret === '' ? text : text.replaceAll(secret, '***')
  const line = safe.replace(/[\p{Cc}\s]+/gu, ' ').trim()
  return line.length > DETAIL_LENGTH_MAX ? `${line.slice(0, DETAIL_LENGTH_MAX - 1)}…` : line
}
