/** The hosts of a chaos run and where they are on its Ethernet. Test support. Pure. */

/** PostgreSQL nodes that can be primary. */
export const DATA_NODES = ['node1', 'node2', 'node3'] as const
/** All that repmgr has registered. */
export const NODES = [...DATA_NODES, 'witness'] as const
export const PROXIES = ['proxy1', 'proxy2'] as const

/** The one that has its sessions in workers; the other is one process. */
export const WORKERS_PROXY = 'proxy2' satisfies (typeof PROXIES)[number]
export const WORKERS = 2

export type DataNodeName = (typeof DATA_NODES)[number]
export type NodeName = (typeof NODES)[number]
export type ProxyName = (typeof PROXIES)[number]
export type HostName = NodeName | ProxyName | 'clients'

export const ADDRESSES: Readonly<Record<HostName, string>> = {
  node1: '10.77.0.11',
  node2: '10.77.0.12',
  node3: '10.77.0.13',
  witness: '10.77.0.14',
  proxy1: '10.77.0.21',
  proxy2: '10.77.0.22',
  clients: '10.77.0.31',
}

/** The stage itself: it asks the proxies from here. */
export const STAGE_ADDRESS = '10.77.0.1'
export const SERVER_PORT = 5432
export const WRITE_PORT = 5432
export const STANDBY_PORT = 5433
export const ADMIN_PORT = 8432
