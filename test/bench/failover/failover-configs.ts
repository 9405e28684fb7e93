/**
 * How people have nginx and HAProxy in front of a pair of servers. Pure text; docs/benchmarks.md shows it. Both nginx
 * and HAProxy with `pgsql-check` only know whether a server answers: one is the primary by configuration, and the other
 * is there for when it is gone. HAProxy with an external check asks each server whether it is in recovery.
 */
import type { Target } from '../contenders/contender.ts'

export interface PairOptions {
  readonly port: number
  readonly primary: Target
  readonly standby: Target
}

const at = ({ host, port }: Target): string => `${host}:${port}`

/** As docker/nginx/pg.conf. */
export function nginxPair({ port, primary, standby }: PairOptions, module: string | null): string {
  return `${module === null ? '' : `load_module ${module};\n`}daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 1000; }
stream {
  upstream postgres_cluster {
    server ${at(primary)} max_fails=3 fail_timeout=10s;
    server ${at(standby)} max_fails=3 fail_timeout=10s backup;
  }
  server {
    listen 127.0.0.1:${port} so_keepalive=on;
    proxy_connect_timeout 5s;
    proxy_timeout 1h;
    proxy_pass postgres_cluster;
  }
}
`
}

/** The times are those of the HAProxy configuration that Patroni's documentation has. */
const HAPROXY_SERVERS = 'default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions'

const haproxy = (global: readonly string[], port: number, lines: readonly string[]): string => `global
  nbthread 1
  maxconn 1000
${global.map((line) => `  ${line}\n`).join('')}defaults
  mode tcp
  retries 2
  timeout connect 4s
  timeout client 30m
  timeout server 30m
  timeout check 5s
listen postgres
  bind 127.0.0.1:${port}
${lines.map((line) => `  ${line}\n`).join('')}  ${HAPROXY_SERVERS}
`

export function haproxyPgsqlCheck({ port, primary, standby }: PairOptions): string {
  return `${haproxy([], port, ['option pgsql-check user postgres'])}  server primary ${at(primary)} check
  server standby ${at(standby)} check backup
`
}

/** `command`: a program that ends with 0 when the server at `$3`, port `$4` takes writes. `path`: where psql is. */
export function haproxyExternalCheck(
  { port, primary, standby }: PairOptions,
  { command, path }: { readonly command: string; readonly path: string },
): string {
  const lines = ['option external-check', `external-check path "${path}"`, `external-check command ${command}`]
  return `${haproxy(['external-check', 'insecure-fork-wanted'], port, lines)}  server node1 ${at(primary)} check
  server node2 ${at(standby)} check
`
}

/** For HAProxy's external check. */
export const CHECK_SCRIPT = `#!/bin/sh
export PGCONNECT_TIMEOUT=2 PGSSLMODE=disable
[ "$(psql -XAtq -h "$3" -p "$4" -U postgres -d postgres -c 'SELECT pg_is_in_recovery()' 2>/dev/null)" = f ]
`
