/**
 * The configuration as the rest of the program reads it: parsed, complete, immutable. Durations are milliseconds, sizes
 * bytes, addresses objects; every default is filled in. It says nothing of YAML, and nothing here checks anything:
 * that is schema.ts and load.ts, which also say what each setting means and how far it may go.
 */
import type { NodeIdentity } from '../ports.ts'

export const ROUTES = ['primary', 'standby', 'any'] as const
export type Route = (typeof ROUTES)[number]

export const TLS_MODES = ['passthrough', 'off', 'terminate'] as const
export type TlsMode = (typeof TLS_MODES)[number]

export const BALANCES = ['least-sessions', 'round-robin'] as const
export type Balance = (typeof BALANCES)[number]

/** libpq's modes, weakest first. */
export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** `auto` is `pretty` when standard output is a terminal and `json` otherwise. */
export const LOG_FORMATS = ['json', 'pretty', 'auto', 'journald'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** Oldest version of TLS that is spoken with clients. */
export const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
export type TlsVersion = (typeof TLS_VERSIONS)[number]

/** libpq's modes but `allow`, which would have the client log in twice. */
export const SERVER_SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type ServerSslMode = (typeof SERVER_SSL_MODES)[number]

/** TLS that ends here. Paths are of PEM files. */
export interface TerminatedTls {
  readonly mode: 'terminate'
  readonly cert: string
  readonly key: string
  /** `null`: clients are not asked for a certificate. Given only with `require`. */
  readonly clientCa: string | null
  /** Plain clients are refused. */
  readonly require: boolean
  readonly minVersion: TlsVersion
  readonly serverSslmode: ServerSslMode
  /** File of trusted authorities, or `system`; given with `verify-*`, and only then. */
  readonly serverSslrootcert: string | null
}

export type ListenerTls = { readonly mode: Exclude<TlsMode, 'terminate'> } | TerminatedTls

/** Where a listener accepts. `port` 0 to 65535, 0 for any free one; `path` is absolute; `name` is systemd's FileDescriptorName. */
export type ListenerAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'fd'; readonly name: string }

/** One address that clients connect to. On a `primary` listener the last four fields have no effect. */
export interface ListenerConfig {
  readonly address: ListenerAddress
  readonly route: Route
  readonly tls: ListenerTls
  /**
   * Who has to begin with a PROXY header: addresses, networks such as `10.0.0.0/8`, and `unix` for whoever comes by a
   * Unix socket, each valid. Nobody else may.
   */
  readonly proxyProtocol: { readonly from: readonly string[] }
  /** Permissions of the file of a Unix socket. */
  readonly socketMode: number
  readonly balance: Balance
  readonly maxLagBytes: number
  readonly fallback: 'primary' | 'none'
  /** What happens to sessions of a standby listener whose standby is promoted. */
  readonly onPromotion: 'keep' | 'end'
}

/** How the nodes are asked. `password` is a secret: see redact.ts. At most one of `password`, `passwordFile` is given. */
export interface MonitorConfig {
  readonly user: string
  readonly password: string | null
  readonly passwordFile: string | null
  readonly database: string
  readonly sslmode: SslMode
  /** File of trusted certificate authorities, or `system`; `null` = libpq's own default. Given only with `verify-*`. */
  readonly sslrootcert: string | null
  readonly intervalMs: number
  readonly fastIntervalMs: number
  readonly timeoutMs: number
  readonly failures: number
  readonly decisionTtlMs: number
}

/** Where the admin server listens. */
export type AdminAddress = Exclude<ListenerAddress, { readonly kind: 'fd' }>

/** The admin HTTP server. `token` is a secret; with neither token nor file every POST is off. */
export interface AdminConfig {
  readonly address: AdminAddress
  /** Permissions of the file of a Unix socket. */
  readonly socketMode: number
  /** Names in small letters under which it may be asked, besides that of `address`. */
  readonly hosts: readonly string[]
  readonly token: string | null
  readonly tokenFile: string | null
}

export interface Config {
  /** At least one; addresses unique. */
  readonly listeners: readonly ListenerConfig[]
  /** At least one; names unique, 1 to 63 characters; addresses unique. */
  readonly nodes: readonly NodeIdentity[]
  readonly discovery: 'repmgr' | 'none'
  readonly monitor: MonitorConfig
  readonly policy: {
    readonly requireMajority: boolean
    readonly graceMs: number
    readonly endSessionsWhenRefused: boolean
  }
  /** `timeoutMs` 0 or `maxSessions` 0: never hold. `releaseRate` is sessions a second. */
  readonly hold: { readonly timeoutMs: number; readonly maxSessions: number; readonly releaseRate: number }
  readonly limits: {
    readonly maxSessions: number
    /** 0: as many as there may be at all. */
    readonly maxSessionsPerAddress: number
    readonly startupTimeoutMs: number
    readonly connectTimeoutMs: number
  }
  /** Idle time before the first TCP keepalive packet; 0 = off. */
  readonly keepalive: { readonly clientMs: number; readonly serverMs: number }
  readonly shutdown: {
    /** How long running sessions may go on after the first stop signal; 0 = they are ended at once. */
    readonly graceMs: number
    /** For a new process to take over. */
    readonly handoverTimeoutMs: number
    /** How long sessions of the old process may go on after that; `null` = for ever. */
    readonly handoverGraceMs: number | null
  }
  readonly workers: number | 'auto'
  /** `null` when switched off with `admin: off`. */
  readonly admin: AdminConfig | null
  readonly stateDir: string
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
}
