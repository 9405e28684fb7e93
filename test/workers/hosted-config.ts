/** What sessions need of a configuration: one listener, plain unless said otherwise. Test support. */
import type { ListenerTls } from '../../src/config/config.ts'
import type { HostedConfig } from '../../src/workers/session-settings.ts'

/** As the configuration writes it; the listener of the test is where the system has a free port. */
export const LISTENER_ADDRESS = '127.0.0.1:5432'

export function hostedConfig(tls: ListenerTls = { mode: 'passthrough' }): HostedConfig {
  return {
    listeners: [
      {
        address: { kind: 'tcp', host: '127.0.0.1', port: 5432 },
        ...{ route: 'primary', tls, proxyProtocol: { from: [] }, socketMode: 0o666 },
        ...{ balance: 'least-sessions', maxLagBytes: 0, fallback: 'none', onPromotion: 'keep' },
      },
    ],
    keepalive: { clientMs: 0, serverMs: 0 },
    monitor: { decisionTtlMs: 60_000 },
    hold: { timeoutMs: 30_000, maxSessions: 100, releaseRate: 1000 },
    limits: { maxSessions: 100, maxSessionsPerAddress: 0, startupTimeoutMs: 10_000, connectTimeoutMs: 10_000 },
  }
}
