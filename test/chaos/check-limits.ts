/** The bounds that the checker goes by: settings of the proxies under test, and what a loaded machine may add. Pure. */

export interface CheckLimits {
  /** `monitor.interval`, and the bound of P2. */
  readonly intervalMs: number
  /** `monitor.timeout`. */
  readonly probeTimeoutMs: number
  /** `hold.timeout`. */
  readonly holdTimeoutMs: number
  /** Added to every bound: two cores, shared by a cluster, its clients and whatever else runs. */
  readonly slackMs: number
  /** A line of a proxy's log is read at most so long after it was written. */
  readonly logLagMs: number
  /** A way that works is asked by a proxy at least so often, a probe that was lost just before included. */
  readonly evidenceMs: number
  /** From `healed` on. */
  readonly livenessMs: number
  /** TCP and keepalive give a way up after this long; before that a partition ends no connection. */
  readonly tcpLimitMs: number
}

/** At the defaults of the proxy. */
export const DEFAULT_LIMITS: CheckLimits = {
  intervalMs: 500,
  probeTimeoutMs: 1_000,
  holdTimeoutMs: 30_000,
  slackMs: 1_000,
  logLagMs: 1_000,
  evidenceMs: 4_000,
  livenessMs: 20_000,
  tcpLimitMs: 55_000,
}

/** How long after the proof a session may still be there. */
export function endBoundMs({ intervalMs, slackMs }: CheckLimits): number {
  return intervalMs + slackMs
}
