/**
 * What a container scenario is made of, before any of it runs: names, networks, addresses, settings of nodes and proxy.
 * Test support; pure but for its random names.
 */
import { randomInt, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { Endpoint } from './cluster-container.ts'
import type { ClientOptions } from './docker-clients.ts'
import type { NodeSpec } from './docker-node.ts'
import { IMAGES, type Major } from './images.ts'

const INITDB = fileURLToPath(new URL('../../docker/initdb', import.meta.url))
/** Above those that the engine gives away first. */
const FIRST_ADDRESS = 100
export const WITNESS = 'pg-witness'
/** Of the roles that docker/initdb makes. */
export const PASSWORDS = {
  POSTGRESQL_PASSWORD: 'test-postgres',
  REPMGR_PASSWORD: 'test-repmgr',
  ADMIN_USER_PASSWORD: 'test-admin',
  BEACONX_APP_PASSWORD: 'test-app',
  PGHA_MONITOR_PASSWORD: 'test-monitor',
} as const

export interface DockerClusterOptions {
  /** Data nodes: pg-0, pg-1 …; default 3. */
  readonly nodes?: 2 | 3
  /** PostgreSQL's major version; default 15. */
  readonly major?: Major
  /** Adds pg-witness. */
  readonly witness?: boolean
  /**
   * The proxy and the clients reach the nodes through a second network: so the nodes can be cut off from each other and
   * not from the proxy, and the reverse.
   */
  readonly apart?: boolean
  /** A subnet of the test's own, so that a container can be given the address of another. */
  readonly fixedAddresses?: boolean
  /** Merged into the proxy's configuration, section by section. */
  readonly proxy?: Readonly<Record<string, unknown>>
  /** `false`: without a proxy and clients at first. */
  readonly withProxy?: boolean
  readonly clients?: ClientOptions
}

export class ClusterPlan {
  /** Replication, and everything else unless the proxy is apart. */
  readonly network: string
  /** Where the proxy and the clients are. */
  readonly front: string
  /** pg-0, pg-1 … */
  readonly dataNodes: readonly string[]
  readonly options: DockerClusterOptions
  /** `10.a.b` for each network of the test's own subnets; empty when the engine chooses. */
  readonly #subnets = new Map<string, string>()

  constructor(options: DockerClusterOptions) {
    this.options = options
    this.network = `pgha-test-${randomUUID().slice(0, 8)}`
    this.front = options.apart === true ? `${this.network}-front` : this.network
    this.dataNodes = Array.from({ length: options.nodes ?? 3 }, (_, index) => `pg-${index}`)
    if (options.fixedAddresses !== true) return
    // Out of a range that the engine does not give away by itself.
    for (const network of this.networks) {
      this.#subnets.set(network, `10.${randomInt(200, 250)}.${randomInt(1, 250)}`)
    }
  }

  get networks(): readonly string[] {
    return [...new Set([this.network, this.front])]
  }

  /** Data nodes, and the witness if there is one. */
  get nodeNames(): readonly string[] {
    return this.options.witness === true ? [...this.dataNodes, WITNESS] : this.dataNodes
  }

  /** `10.a.b.0/24`; `null` when the engine chooses. */
  subnetOf(network: string): string | null {
    const prefix = this.#subnets.get(network)
    return prefix === undefined ? null : `${prefix}.0/24`
  }

  nodeSpec(name: string): NodeSpec {
    const host = FIRST_ADDRESS + this.nodeNames.indexOf(name)
    const endpoints = this.networks.map((network): Endpoint => {
      const prefix = this.#subnets.get(network)
      const alias = this.#aliasIn(network, name)
      return prefix === undefined ? { network, alias } : { network, alias, address: `${prefix}.${host}` }
    })
    return {
      name,
      image: IMAGES.postgres[this.options.major ?? 15],
      environment: environmentOf(name, { primary: 'pg-0', partners: this.dataNodes }),
      endpoints,
      folders: [{ source: INITDB, target: '/docker-entrypoint-initdb.d' }],
    }
  }

  /** A primary that has nothing to do with this cluster, under a name and an address of this cluster. */
  strangerSpec({ alias, address }: { readonly alias: string; readonly address: string }): NodeSpec {
    const name = 'pg-9'
    return {
      ...this.nodeSpec(name),
      environment: environmentOf(name, { primary: name, partners: [name] }),
      endpoints: [{ network: this.network, alias, address }],
    }
  }

  /** `ha.yaml` as an object; the layers are merged into it, section by section. */
  proxyConfig(...layers: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
    const own = {
      listeners: [{ address: '0.0.0.0:5432', route: 'primary' }],
      nodes: this.dataNodes.map((name) => ({ name, address: `${this.#aliasIn(this.front, name)}:5432` })),
      monitor: { user: 'pgha', password: PASSWORDS.PGHA_MONITOR_PASSWORD, database: 'repmgr' },
      hold: { timeout: '60s' },
      admin: { address: '0.0.0.0:8432' },
      shutdown: { grace: '0s' },
    }
    return merge(own, this.options.proxy ?? {}, ...layers)
  }

  /** For libpq and its like: the application's way to the primary. */
  clientLogin(): Readonly<Record<string, string>> {
    return {
      PGHOST: 'reverse-proxy',
      PGPORT: '5432',
      PGDATABASE: 'einvoice',
      PGUSER: 'beaconx_app',
      PGPASSWORD: PASSWORDS.BEACONX_APP_PASSWORD,
    }
  }

  /** Apart, a node has another name for the proxy: else the nodes would find each other by that way, too. */
  #aliasIn(network: string, name: string): string {
    return network === this.network ? name : `${name}-front`
  }
}

function environmentOf(
  name: string,
  { primary, partners }: { readonly primary: string; readonly partners: readonly string[] },
): Readonly<Record<string, string>> {
  return {
    ...PASSWORDS,
    POSTGRESQL_FSYNC: 'off',
    REPMGR_NODE_NAME: name,
    REPMGR_NODE_NETWORK_NAME: name,
    REPMGR_PRIMARY_HOST: primary,
    REPMGR_PARTNER_NODES: partners.join(','),
    REPMGR_RECONNECT_ATTEMPTS: '3',
    REPMGR_RECONNECT_INTERVAL: '1',
    REPMGR_CONNECT_TIMEOUT: '2',
    REPMGR_MONITOR_INTERVAL_SECS: '1',
    ...(name === WITNESS ? { REPMGR_NODE_TYPE: 'witness', REPMGR_NODE_ID: '1900' } : {}),
  }
}

function merge(...layers: readonly Readonly<Record<string, unknown>>[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {}
  for (const [key, value] of layers.flatMap((layer) => Object.entries(layer))) {
    const before = merged[key]
    merged[key] = isSection(before) && isSection(value) ? { ...before, ...value } : value
  }
  return merged
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
