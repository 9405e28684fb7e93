/**
 * What the proxy says to a client when it ends its session: one function for each situation, giving the fields of an
 * ErrorResponse. Pure protocol layer. The words are chosen for programs as much as for people: drivers and frameworks
 * recognise a lost connection by SQLSTATE or by part of the message, so a changed word is a changed contract.
 */
import type { ErrorResponseFields } from './error-response.ts'
import { type EmittedSqlState, SQLSTATES } from './sqlstate.ts'

/** An error that ends the session. */
export interface Farewell extends ErrorResponseFields {
  readonly severity: 'FATAL'
  readonly sqlState: EmittedSqlState
}

const RETRY_HINT = 'Try again: sessions are admitted as soon as one is available.'

/** No primary was proven within `hold.timeout`. `detail`: the decision's reason and the time waited, if worth telling. */
export function noPrimary(options: { readonly detail?: string | undefined } = {}): Farewell {
  return { ...notAccepting('no primary available'), detail: options.detail, hint: RETRY_HINT }
}

/** No standby on a standby listener without fallback. `detail` as for `noPrimary`. */
export function noStandby(options: { readonly detail?: string | undefined } = {}): Farewell {
  return { ...notAccepting('no standby available'), detail: options.detail, hint: RETRY_HINT }
}

/** As many sessions are held as `hold.max_sessions` allows. */
export function holdQueueFull(): Farewell {
  return notAccepting('connection hold queue is full')
}

/** The login on a primary listener reached a server in recovery: sent in place of its ReadyForQuery. */
export function landedOnStandby(): Farewell {
  return { ...notAccepting('no primary available'), detail: 'node is in recovery', hint: RETRY_HINT }
}

/** The proxy is draining or stopping. PostgreSQL's own words. */
export function shuttingDown(): Farewell {
  return farewell(SQLSTATES.cannotConnectNow, 'the database system is shutting down')
}

/**
 * The node of a running session that may write is not the primary any more. `now` is the node that is, `null` while none
 * is.
 */
export function nodeNoLongerRoutable(options: { readonly node: string; readonly now: string | null }): Farewell {
  const successor = options.now === null ? '' : ` (now ${options.now})`
  return {
    ...farewell(SQLSTATES.adminShutdown, 'terminating connection due to administrator command'),
    detail: `pgha-proxy: ${options.node} is no longer primary${successor}`,
  }
}

/** A running session that reads has to leave its standby. `why` completes "node2 …". */
export function standbyNoLongerReadable(options: { readonly node: string; readonly why: string }): Farewell {
  return {
    ...farewell(SQLSTATES.adminShutdown, 'terminating connection due to administrator command'),
    detail: `pgha-proxy: ${options.node} ${options.why}`,
  }
}

/** A running session when the proxy's `shutdown.grace` is over: the words of any server's own shutdown. */
export function proxyStopping(): Farewell {
  return {
    ...farewell(SQLSTATES.adminShutdown, 'terminating connection due to administrator command'),
    detail: 'pgha-proxy is stopping',
  }
}

/** The backend's connection ended though the server had said nothing of it. libpq's own words. */
export function backendVanished(): Farewell {
  return farewell(SQLSTATES.connectionFailure, 'server closed the connection unexpectedly')
}

/** `limits.max_sessions` is reached. PostgreSQL's own words. */
export function tooManySessions(): Farewell {
  return farewell(SQLSTATES.tooManyConnections, 'sorry, too many clients already')
}

/** `limits.max_sessions_per_address` is reached. As PostgreSQL says of roles and databases. */
export function tooManyFromAddress(): Farewell {
  return farewell(SQLSTATES.tooManyConnections, 'too many connections from this address')
}

/** A plain client on a listener with `tls.require`. */
export function tlsRequired(): Farewell {
  return {
    ...farewell(SQLSTATES.invalidAuthorizationSpecification, 'encryption is required: connect with TLS'),
    hint: 'Set sslmode to require or stricter.',
  }
}

/** A client without a certificate of the listener's `tls.client_ca`. PostgreSQL's own words. */
export function clientCertificateRequired(): Farewell {
  return farewell(SQLSTATES.invalidAuthorizationSpecification, 'connection requires a valid client certificate')
}

/** The node cannot be reached over TLS as the listener's `tls.server_sslmode` wants it. `detail`: which, and why. */
export function serverTlsFailed(options: { readonly detail: string }): Farewell {
  return { ...notAccepting('no trusted connection to the node'), detail: options.detail }
}

/** The first packet is malformed. `problem` is a constant text, as `parseFirstPacket` gives it: never client bytes. */
export function malformedStartup(problem: string): Farewell {
  return farewell(SQLSTATES.protocolViolation, `invalid startup packet: ${problem}`)
}

/** The client speaks a protocol other than 3.x. Both numbers 0 to 65535. */
export function unsupportedProtocol(protocolMajor: number, protocolMinor: number): Farewell {
  return farewell(
    SQLSTATES.featureNotSupported,
    `unsupported frontend protocol ${protocolMajor}.${protocolMinor}: server supports 3.x`,
  )
}

function notAccepting(why: string): Farewell {
  return farewell(
    SQLSTATES.cannotConnectNow,
    `the database system is not accepting connections: ${why} (no connection to the server)`,
  )
}

function farewell(sqlState: EmittedSqlState, message: string): Farewell {
  return { severity: 'FATAL', sqlState, message }
}
