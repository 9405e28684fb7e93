/**
 * The stage of the workloads that need a real PostgreSQL: one server, every contender in front of it, all at once and
 * idle but for the one whose turn it is. Benchmark support. Whoever opens it closes it.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { runProgram } from '../scenarios/programs.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'
import { type BenchFolder, makeBenchFolder } from './bench-folder.ts'
import type { Contender } from './contenders/contender.ts'
import { FLOOR, type Floor, startFloor } from './contenders/floor.ts'
import { OWN, type OwnProxy, startOwnProxy } from './contenders/own-proxy.ts'
import { PEERS, type PeerName, peerVersion, type RunningPeer, startPeer } from './contenders/peers.ts'

/** PostgreSQL itself, without a proxy. */
export const DIRECT = 'PostgreSQL'

/** More sessions than any workload here has with a real server. */
const SESSIONS_MAX = 1_000

/** Durability off, as everywhere in the tests: what a disk does would be in every figure. */
const SERVER_SETTINGS = {
  // PgBouncer keeps those of its clients that left.
  max_connections: 1_500,
  shared_buffers: '256MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '1h',
  autovacuum: false,
} as const

export class BenchStage {
  readonly cluster: PostgresCluster
  readonly folder: string
  readonly own: OwnProxy
  readonly peers: readonly RunningPeer[]
  readonly floor: Floor
  readonly #folder: BenchFolder

  private constructor(
    cluster: PostgresCluster,
    folder: BenchFolder,
    [own, peers, floor]: readonly [OwnProxy, readonly RunningPeer[], Floor],
  ) {
    this.cluster = cluster
    this.folder = folder.path
    this.#folder = folder
    this.own = own
    this.peers = peers
    this.floor = floor
  }

  /** `scale`: that of pgbench's tables, 100,000 accounts each. */
  static async open(scale: number): Promise<BenchStage> {
    const cluster = await createCluster({
      nodes: 1,
      repmgrTables: true,
      application: true,
      settings: SERVER_SETTINGS,
    })
    const folder = makeBenchFolder('stage')
    const node = cluster.node('node1')
    const { user } = APPLICATION_LOGIN
    let own: OwnProxy | null = null
    const peers: RunningPeer[] = []
    try {
      // Of passwords PostgreSQL has most of the work, and PgBouncer would do half of it: they would hide the proxies.
      node.setHbaLines([`host all ${user} all trust`])
      // The server's user has to get to what is in here.
      chmodSync(folder.path, 0o711)
      const authority = new CertificateAuthority(folder.path)
      const [server, certificate] = [authority.issue('server'), authority.issue('proxy')]
      const ssl_cert_file = node.writeFile('server.crt', server.cert)
      node.configure({ ssl: true, ssl_cert_file, ssl_key_file: node.writeFile('server.key', server.key) })
      await node.restart()
      const made = await runProgram('pgbench', ['-i', '-q', '-s', String(scale)], { target: node })
      if (made.code !== 0) throw new Error(`pgbench -i: ${made.stderr}`)
      const ownFolder = join(folder.path, OWN)
      mkdirSync(ownFolder)
      own = await startOwnProxy({ folder: ownFolder, cluster, sessionsMax: SESSIONS_MAX, certificate })
      for (const name of installedPeers()) {
        peers.push(
          await startPeer(name, { folder: folder.path, server: node, sessionsMax: SESSIONS_MAX, user, certificate }),
        )
      }
      const floor = await startFloor({ host: node.host, port: node.port })
      return new BenchStage(cluster, folder, [own, peers, floor])
    } catch (error) {
      await Promise.allSettled([own?.close(), ...peers.map((peer) => peer.close())])
      await cluster.destroy()
      folder.remove()
      throw error
    }
  }

  get node(): PostgresServer {
    return this.cluster.node('node1')
  }

  /** Those for a workload that is there for its own sake, with --quick; else all. */
  fewContenders(isQuick: boolean): readonly Contender[] {
    return isQuick ? this.contenders(OWN, 'HAProxy') : this.contenders()
  }

  /** All, or those of these names that are there, in the order in which tables show them. */
  contenders(...names: readonly string[]): readonly Contender[] {
    const target = { host: this.node.host, port: this.node.port }
    const direct: Contender = { name: DIRECT, target, tls: { kind: 'passed through', target }, pid: null }
    const all = [direct, this.own, ...this.peers, this.floor]
    if (names.length > 0) return all.filter(({ name }) => names.includes(name))
    // Larger buffers are for large results, and the floor is for those who ask what of the cost is Node's.
    return all.filter(({ name }) => name !== 'HAProxy 256 KiB' && name !== FLOOR)
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.own.close(), this.floor.close(), ...this.peers.map((peer) => peer.close())])
    await this.cluster.destroy()
    this.#folder.remove()
  }
}

/** The peers that this machine has. */
export function installedPeers(): readonly PeerName[] {
  return PEERS.filter((name) => peerVersion(name) !== null)
}

/** Those it has not, by program. */
export function missingPeers(): readonly string[] {
  return PEERS.filter((name) => name !== 'HAProxy 256 KiB' && peerVersion(name) === null)
}
