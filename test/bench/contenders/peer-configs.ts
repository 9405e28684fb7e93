/**
 * The configuration of the other proxies: as short as they can be and fast, one thread or worker each, no log of
 * sessions, no limit that a workload could meet. Pure text; docs/benchmarks.md shows them.
 */
import type { Target } from './contender.ts'

/** Above every count of clients here; HAProxy and PgBouncer refuse what their descriptors do not suffice for. */
export interface PeerConfigOptions {
  readonly port: number
  readonly server: Target
  readonly sessionsMax: number
}

/** `bufferBytes: null`: the default, 16 KiB. */
export function haproxyConfig({ port, server, sessionsMax }: PeerConfigOptions, bufferBytes: number | null): string {
  const tune = bufferBytes === null ? '' : `  tune.bufsize ${bufferBytes}\n`
  return `global
  nbthread 1
  maxconn ${sessionsMax}
${tune}defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen postgres
  bind 127.0.0.1:${port} backlog 4096
  server node1 ${server.host}:${server.port}
`
}

/** `module`: the stream module where it is not built in. */
export function nginxConfig({ port, server, sessionsMax }: PeerConfigOptions, module: string | null): string {
  return `${module === null ? '' : `load_module ${module};\n`}daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events { worker_connections ${2 * sessionsMax + 50}; }
stream {
  server {
    listen 127.0.0.1:${port} backlog=4096 so_keepalive=on;
    proxy_connect_timeout 5s;
    proxy_timeout 1h;
    proxy_pass ${server.host}:${server.port};
  }
}
`
}

/** Where PgBouncer finds the files that the configuration names. */
export interface PgbouncerFiles {
  readonly users: string
  readonly certificate: { readonly certFile: string; readonly keyFile: string } | null
}

export function pgbouncerConfig(
  { port, server, sessionsMax }: PeerConfigOptions,
  { users, certificate }: PgbouncerFiles,
): string {
  const tls =
    certificate === null
      ? ''
      : `client_tls_sslmode = allow
client_tls_cert_file = ${certificate.certFile}
client_tls_key_file = ${certificate.keyFile}
`
  return `[databases]
* = host=${server.host} port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
listen_backlog = 4096
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = session
default_pool_size = ${sessionsMax}
max_client_conn = ${sessionsMax}
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
${tls}`
}
