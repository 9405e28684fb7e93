/**
 * Why a session ended. One closed union: the kind is the log field and the metric label, and it decides what the client
 * is told. Every session ends with exactly one of these. Pure session layer.
 */
import {
  backendVanished,
  clientCertificateRequired,
  type Farewell,
  holdQueueFull,
  landedOnStandby,
  malformedStartup,
  nodeNoLongerRoutable,
  noPrimary,
  noStandby,
  proxyStopping,
  serverTlsFailed,
  shuttingDown,
  standbyNoLongerReadable,
  tlsRequired,
  tooManyFromAddress,
  tooManySessions,
  unsupportedProtocol,
} from '../protocol/farewells.ts'

export type CloseReason =
  /** The client closed, after a Terminate or a plain FIN, or the server ended it in its own words. */
  | { readonly kind: 'finished' }
  /** The client's connection broke (RST, timeout of keepalive). */
  | { readonly kind: 'client-lost' }
  /** The client left while it was held or before its first packet was complete. */
  | { readonly kind: 'client-left-early' }
  /** No complete first packet within `limits.startup_timeout`. */
  | { readonly kind: 'startup-timeout' }
  /** A load balancer that has to begin with a PROXY header did not. Its client can be told nothing that it would read. */
  | { readonly kind: 'no-proxy-header'; readonly problem: string }
  | { readonly kind: 'malformed-startup'; readonly problem: string }
  | { readonly kind: 'unsupported-protocol'; readonly major: number; readonly minor: number }
  /** Bytes before our answer to an SSLRequest or GSSENCRequest: an injection, or a client that does not wait. */
  | { readonly kind: 'early-bytes' }
  /** Direct TLS on a listener without TLS. */
  | { readonly kind: 'tls-not-offered' }
  /** A plain client on a listener with `tls.require`. */
  | { readonly kind: 'tls-required' }
  /** TLS that should end here did not come about: no TLS at all, none that both sides know, or direct without ALPN. */
  | { readonly kind: 'tls-handshake-failed'; readonly problem: string }
  /** The listener has a `tls.client_ca`, and the client no certificate of it. */
  | { readonly kind: 'client-certificate'; readonly problem: string }
  /** The node does not do TLS as `tls.server_sslmode` wants it: for an operator to put right, waiting does not help. */
  | { readonly kind: 'server-tls-failed'; readonly node: string; readonly why: string }
  | { readonly kind: 'too-many-sessions' }
  /** `limits.max_sessions_per_address`. */
  | { readonly kind: 'too-many-from-address' }
  /** The process has no file descriptor left for it. */
  | { readonly kind: 'out-of-descriptors' }
  | { readonly kind: 'hold-queue-full' }
  | {
      readonly kind: 'hold-expired'
      /** Of the listener. */
      readonly route: 'primary' | 'standby' | 'any'
      readonly why: string
      readonly waitedMs: number
    }
  | { readonly kind: 'no-standby' }
  | { readonly kind: 'shutting-down' }
  /** A login on a primary listener turned out to be on a server in recovery, too late to go elsewhere unseen. */
  | { readonly kind: 'landed-on-standby'; readonly node: string }
  /** The node was fenced, or died, in the middle of a login. */
  | { readonly kind: 'login-interrupted'; readonly node: string; readonly why: string }
  /** The node is not routable any more for this session, which was there to write, or to read from a standby. */
  | {
      readonly kind: 'node-not-routable'
      readonly node: string
      readonly access: 'write' | 'read'
      readonly now: string | null
      readonly why: string
    }
  /** The proxy stops and its grace is over. */
  | { readonly kind: 'proxy-stopping'; readonly node: string }
  /** The server's side broke without a word. */
  | { readonly kind: 'backend-lost'; readonly node: string }
  /** The worker process that had it was lost: counted by the main process, where nobody is left to say it. */
  | { readonly kind: 'worker-lost' }
  /** A CancelRequest: handed on, answered with silence. */
  | { readonly kind: 'cancel-request' }

export type CloseReasonKind = CloseReason['kind']

/** How much an operator wants to know of it. */
export const CLOSE_REASON_LOG_LEVEL: Readonly<Record<CloseReasonKind, 'debug' | 'info' | 'warn'>> = {
  finished: 'debug',
  'client-lost': 'debug',
  'client-left-early': 'debug',
  'cancel-request': 'debug',
  'startup-timeout': 'info',
  'no-proxy-header': 'info',
  'malformed-startup': 'info',
  'unsupported-protocol': 'info',
  'early-bytes': 'info',
  'tls-not-offered': 'info',
  'tls-required': 'info',
  'tls-handshake-failed': 'info',
  'client-certificate': 'info',
  'server-tls-failed': 'warn',
  'too-many-sessions': 'warn',
  'too-many-from-address': 'warn',
  'out-of-descriptors': 'warn',
  'hold-queue-full': 'warn',
  'hold-expired': 'warn',
  'no-standby': 'warn',
  'shutting-down': 'info',
  'landed-on-standby': 'warn',
  'login-interrupted': 'warn',
  'node-not-routable': 'warn',
  'proxy-stopping': 'info',
  'backend-lost': 'warn',
  'worker-lost': 'warn',
}

/** All kinds, in the order above: counters are made from it, so that each is there from the start. */
export const CLOSE_REASON_KINDS = Object.keys(CLOSE_REASON_LOG_LEVEL) as readonly CloseReasonKind[]

/**
 * The last words for the client; `null` when there is nobody to tell or nothing to say. Whether they may be written
 * (a readable stream, at a message boundary) is the caller's to know.
 */
export function farewellFor(reason: CloseReason): Farewell | null {
  switch (reason.kind) {
    case 'finished':
    case 'client-lost':
    case 'client-left-early':
    case 'startup-timeout':
    case 'no-proxy-header':
    case 'early-bytes':
    case 'tls-not-offered':
    case 'tls-handshake-failed':
    case 'cancel-request':
    case 'worker-lost':
      return null
    case 'malformed-startup':
      return malformedStartup(reason.problem)
    case 'unsupported-protocol':
      return unsupportedProtocol(reason.major, reason.minor)
    case 'too-many-sessions':
    case 'out-of-descriptors':
      return tooManySessions()
    case 'too-many-from-address':
      return tooManyFromAddress()
    case 'tls-required':
      return tlsRequired()
    case 'client-certificate':
      return clientCertificateRequired()
    case 'server-tls-failed':
      return serverTlsFailed({ detail: `${reason.node} ${reason.why}` })
    case 'hold-queue-full':
      return holdQueueFull()
    case 'hold-expired': {
      const detail = `${reason.why}; waited ${Math.round(reason.waitedMs / 1000)} s`
      return reason.route === 'standby' ? noStandby({ detail }) : noPrimary({ detail })
    }
    case 'no-standby':
      return noStandby()
    case 'shutting-down':
      return shuttingDown()
    case 'landed-on-standby':
      return landedOnStandby()
    case 'login-interrupted':
      // Still a login: 57P03 is the code after which libpq tries its next host.
      return noPrimary({ detail: `${reason.node} ${reason.why}` })
    case 'node-not-routable':
      return reason.access === 'read' ? standbyNoLongerReadable(reason) : nodeNoLongerRoutable(reason)
    case 'proxy-stopping':
      return proxyStopping()
    case 'backend-lost':
      return backendVanished()
    default: {
      const unhandled: never = reason
      return unhandled
    }
  }
}
