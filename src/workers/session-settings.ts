/** The configuration as sessions want it: pure translation, one function for each part. Composition layer. */
import type { Config, ListenerConfig, MonitorConfig } from '../config/config.ts'
import type { AdmissionSettings } from '../net/admission.ts'
import type { SessionSettings } from '../net/session-environment.ts'
import type { RouteRequest } from '../topology/route-session.ts'

/** What of the configuration concerns sessions. It has no secrets in it. */
export type HostedConfig = Pick<Config, 'listeners' | 'hold' | 'limits' | 'keepalive'> & {
  readonly monitor: Pick<MonitorConfig, 'decisionTtlMs'>
}

export function admissionSettings(config: HostedConfig): AdmissionSettings {
  return {
    holdSessionsMax: config.hold.timeoutMs === 0 ? 0 : config.hold.maxSessions,
    releaseRate: config.hold.releaseRate,
    decisionTtlMs: config.monitor.decisionTtlMs,
  }
}

/** `sessionsThatFit`: into the limit of open files. */
export function sessionSettings(config: HostedConfig, sessionsThatFit: number): SessionSettings {
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
