/** What of the configuration's limits falls to each worker. Pure. */
import type { HostedConfig } from './session-settings.ts'

/** Worker `index` of `count`, from 0; `total` of at least `count` is split so that no share is 0 and the sum is exact. */
export function share(total: number, index: number, count: number): number {
  return Math.floor(total / count) + (index < total % count ? 1 : 0)
}

/** As many processes as are wanted, but none that could have no session at all. */
export function workerCount(wanted: number | 'auto', cores: number, sessionsMax: number): number {
  return Math.max(1, Math.min(wanted === 'auto' ? cores : wanted, sessionsMax))
}

/**
 * The configuration for one worker. Sessions are split exactly. Places to wait are rounded up: a queue without a place
 * would refuse whoever comes to that worker.
 */
export function shareOf(config: HostedConfig, index: number, count: number): HostedConfig {
  const { listeners, keepalive, monitor, hold, limits } = config
  return {
    listeners,
    keepalive,
    monitor: { decisionTtlMs: monitor.decisionTtlMs },
    hold: {
      ...hold,
      maxSessions: Math.ceil(hold.maxSessions / count),
      releaseRate: hold.releaseRate / count,
    },
    limits: { ...limits, maxSessions: share(limits.maxSessions, index, count) },
  }
}
