/**
 * Writes an `ha.yaml` for a proxy in front of a cluster under test. Test support.
 * Fills in what every test needs (free ports, the monitoring role, folders); the rest stays at the proxy's defaults.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { freePorts } from './free-port.ts'
import type { Login } from './roles.ts'

/** Runs whatever starts a proxy over so many worker processes: what holds for one holds for several. */
const WORKERS = process.env['PGHA_TEST_WORKERS']

/** What the configuration needs to know of a cluster; both kinds of cluster have it. */
export interface ProxiedCluster {
  readonly nodes: readonly { readonly name: string; readonly host: string; readonly port: number }[]
  readonly monitor: Login
}

/** The file and what the test must know of its content. */
export interface ProxyConfig {
  readonly file: string
  /** Port on 127.0.0.1 of the listener that routes to the primary. */
  readonly primaryPort: number
  /** Port on 127.0.0.1 of the listener that routes to standbys. */
  readonly standbyPort: number
  readonly adminUrl: string
  readonly adminToken: string
  readonly stateDirectory: string
}

/**
 * Writes the file into `folder`, which must exist. `overrides` replaces top-level keys of the document as they are
 * written in YAML (`monitor: { interval: 1s }` is merged into the monitor's own keys, as are all other mappings).
 */
export async function writeProxyConfig(
  folder: string,
  cluster: ProxiedCluster,
  overrides: Readonly<Record<string, unknown>> = {},
): Promise<ProxyConfig> {
  const [primaryPort = 0, standbyPort = 0, adminPort = 0] = await freePorts(3)
  const stateDirectory = join(folder, 'state')
  mkdirSync(stateDirectory, { recursive: true })
  const adminToken = 'test-admin-token'
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, adminToken)
  chmodSync(tokenFile, 0o600)
  const defaults: Record<string, unknown> = {
    listeners: [
      { address: `127.0.0.1:${primaryPort}`, route: 'primary' },
      { address: `127.0.0.1:${standbyPort}`, route: 'standby' },
    ],
    nodes: cluster.nodes.map((node) => ({ name: node.name, address: `${node.host}:${node.port}` })),
    monitor: { user: cluster.monitor.user, password: cluster.monitor.password, database: cluster.monitor.database },
    admin: { address: `127.0.0.1:${adminPort}`, token_file: tokenFile },
    state_dir: stateDirectory,
    log: { level: 'debug', format: 'json' },
    ...(WORKERS === undefined ? {} : { workers: Number(WORKERS) }),
  }
  const file = join(folder, 'ha.yaml')
  const document = merge(defaults, overrides)
  writeFileSync(file, stringify(document), { mode: 0o600 })
  const adminUrl = `http://${(document['admin'] as { address: string }).address}`
  return { file, primaryPort, standbyPort, adminUrl, adminToken, stateDirectory }
}

function merge(
  defaults: Readonly<Record<string, unknown>>,
  overrides: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...defaults }
  for (const [key, value] of Object.entries(overrides)) {
    const below = merged[key]
    merged[key] = isMapping(below) && isMapping(value) ? merge(below, value) : value
  }
  return merged
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
