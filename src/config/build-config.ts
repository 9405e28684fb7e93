/** Turns a checked document (the file's keys) into `Config` (the program's names, with units). Pure; cannot fail. */
import type { Config, ListenerConfig, ListenerTls } from './config.ts'
import type { ConfigDocument } from './schema.ts'

/** As PostgreSQL and PgBouncer: who may connect is for the server to know, and for the folder. */
const DEFAULT_SOCKET_MODE = 0o777
/** Whoever may connect sees the status, and there is no token for that. */
const DEFAULT_ADMIN_SOCKET_MODE = 0o600

/** The configuration of a document without faults. */
export function buildConfig(document: ConfigDocument): Config {
  const { monitor, policy, hold, limits, keepalive, admin } = document
  return {
    listeners: document.listeners.map(
      (listener): ListenerConfig => ({
        address: listener.address,
        route: listener.route,
        tls: buildTls(listener.tls),
        proxyProtocol: { from: listener.proxy_protocol.from ?? [] },
        socketMode: listener.socket_mode ?? DEFAULT_SOCKET_MODE,
        balance: listener.balance,
        maxLagBytes: listener.max_lag,
        fallback: listener.fallback,
        onPromotion: listener.on_promotion,
      }),
    ),
    nodes: document.nodes.map(({ name, address }) => ({ name, address })),
    discovery: document.discovery,
    monitor: {
      user: monitor.user,
      password: monitor.password ?? null,
      passwordFile: monitor.password_file ?? null,
      database: monitor.database,
      sslmode: monitor.sslmode,
      sslrootcert: monitor.sslrootcert ?? null,
      intervalMs: monitor.interval,
      fastIntervalMs: monitor.fast_interval,
      timeoutMs: monitor.timeout,
      failures: monitor.failures,
      decisionTtlMs: monitor.decision_ttl,
    },
    policy: {
      requireMajority: policy.require_majority,
      graceMs: policy.grace,
      endSessionsWhenRefused: policy.end_sessions_when_refused,
    },
    hold: { timeoutMs: hold.timeout, maxSessions: hold.max_sessions, releaseRate: hold.release_rate },
    limits: {
      maxSessions: limits.max_sessions,
      maxSessionsPerAddress: limits.max_sessions_per_address,
      startupTimeoutMs: limits.startup_timeout,
      connectTimeoutMs: limits.connect_timeout,
    },
    keepalive: { clientMs: keepalive.client, serverMs: keepalive.server },
    shutdown: {
      graceMs: document.shutdown.grace,
      handoverTimeoutMs: document.shutdown.handover_timeout,
      handoverGraceMs: document.shutdown.handover_grace ?? null,
    },
    workers: document.workers,
    admin:
      admin === 'off'
        ? null
        : {
            address: admin.address,
            socketMode: admin.socket_mode ?? DEFAULT_ADMIN_SOCKET_MODE,
            hosts: admin.hosts ?? [],
            token: admin.token ?? null,
            tokenFile: admin.token_file ?? null,
          },
    stateDir: document.state_dir,
    log: { level: document.log.level, format: document.log.format },
  }
}

function buildTls(tls: ConfigDocument['listeners'][number]['tls']): ListenerTls {
  const { mode, cert, key } = tls
  // Without cert and key there is a fault, and no configuration.
  if (mode !== 'terminate' || cert === undefined || key === undefined) {
    return { mode: mode === 'off' ? 'off' : 'passthrough' }
  }
  return {
    mode,
    cert,
    key,
    clientCa: tls.client_ca ?? null,
    require: tls.require ?? false,
    minVersion: tls.min_version ?? 'TLSv1.2',
    serverSslmode: tls.server_sslmode ?? 'disable',
    serverSslrootcert: tls.server_sslrootcert ?? null,
  }
}
