/** The configuration as the parts want it: pure translation, one function for each part. Composition layer. */
import type { Config, ListenerConfig, MonitorConfig } from '../config/config.ts'
import type { AdmissionSettings } from '../net/admission.ts'
import type { SessionSettings } from '../net/session-environment.ts'
import type { HealthSettings } from '../probe/health-loop.ts'
import type { RouteRequest } from '../topology/route-session.ts'

export function healthSettings(config: Config): HealthSettings {
  return {
    nodes: config.nodes,
    discovery: config.discovery,
    policy: { ...config.policy, failuresToCount: config.monitor.failures },
    intervalMs: config.monitor.intervalMs,
    fastIntervalMs: config.monitor.fastIntervalMs,
  }
}

export function admissionSettings(config: Config): AdmissionSettings {
  return {
    holdSessionsMax: config.hold.timeoutMs === 0 ? 0 : config.hold.maxSessions,
    releaseRate: config.hold.releaseRate,
    decisionTtlMs: config.monitor.decisionTtlMs,
  }
}

/** `sessionsThatFit`: into the limit of open files. */
export function sessionSettings(config: Config, sessionsThatFit: number): SessionSettings {
  return {
    sessionsMax: Math.min(config.limits.maxSessions, sessionsThatFit),
    sessionsPerAddressMax: config.limits.maxSessionsPerAddress,
    startupTimeoutMs: config.limits.startupTimeoutMs,
    connectTimeoutMs: config.limits.connectTimeoutMs,
    holdTimeoutMs: config.hold.timeoutMs,
    keepAliveServerMs: config.keepalive.serverMs,
  }
}

export function routeRequest(listener: ListenerConfig): RouteRequest {
  return {
    route: listener.route,
    fallback: listener.fallback,
    balance: listener.balance,
    maxLagBytes: listener.maxLagBytes,
  }
}

/** Whether monitoring sessions that are open were made with what no longer holds. */
export function isAccessChanged(before: MonitorConfig, after: MonitorConfig): boolean {
  const access = ({ user, password, passwordFile, database, sslmode, sslrootcert, timeoutMs }: MonitorConfig): string =>
    JSON.stringify([user, password, passwordFile, database, sslmode, sslrootcert, timeoutMs])
  return access(before) !== access(after)
}
