/** The configuration as the probes want it: pure translation. What sessions want is in workers/session-settings.ts. Composition layer. */
import type { Config, MonitorConfig } from '../config/config.ts'
import type { HealthSettings } from '../probe/health-loop.ts'

export function healthSettings(config: Config): HealthSettings {
  return {
    nodes: config.nodes,
    discovery: config.discovery,
    policy: { ...config.policy, failuresToCount: config.monitor.failures },
    intervalMs: config.monitor.intervalMs,
    fastIntervalMs: config.monitor.fastIntervalMs,
  }
}

/** Whether monitoring sessions that are open were made with what no longer holds. */
export function isAccessChanged(before: MonitorConfig, after: MonitorConfig): boolean {
  const access = ({ user, password, passwordFile, database, sslmode, sslrootcert, timeoutMs }: MonitorConfig): string =>
    JSON.stringify([user, password, passwordFile, database, sslmode, sslrootcert, timeoutMs])
  return access(before) !== access(after)
}
