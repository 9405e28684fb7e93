/**
 * How the monitoring session gets in: the part of the configuration that the probe needs, kept structural so that
 * `Config['monitor']` fits it. Effect layer; no behaviour.
 */

/** libpq's modes, weakest first. A Unix socket is always plain, whatever the mode says. */
export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof SSL_MODES)[number]

/**
 * The password, or where to get it: asked at each connection whose server wants one, so that a rotated file counts
 * at once. `null` means that there is none.
 */
export type MonitorPassword = string | null | (() => string | null | Promise<string | null>)

/** Who asks, how, and how long an answer may take. */
export interface MonitorAccess {
  readonly user: string
  readonly password: MonitorPassword
  readonly database: string
  readonly sslmode: SslMode
  /**
   * PEM file of the authorities to trust, read at each connection, or `system` for the trust store of Node.
   * Absent with `verify-ca` or `verify-full`: `~/.postgresql/root.crt`, as libpq.
   */
  readonly sslrootcert?: string | null | undefined
  /** Bound of one whole probe, connecting included. At least 1. */
  readonly timeoutMs: number
}

/** How far a probe has come. A timeout is told with it: silence means something else at each stage. */
export const PROBE_STAGES = ['resolve', 'connect', 'tls', 'startup', 'query'] as const
export type ProbeStage = (typeof PROBE_STAGES)[number]
