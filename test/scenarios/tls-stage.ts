/**
 * A server with TLS and a proxy with a listener for each way that TLS can go through it, for the tests with real clients.
 * Test support. Whoever opens a stage closes it.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Certificate, CertificateAuthority } from '../support/certificates.ts'
import { freePorts } from '../support/free-port.ts'
import type { PostgresBinaries } from '../support/postgres-binaries.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { ProxyScene } from './scene.ts'

/** The `tls` section of a listener, given the files. */
export type ListenerSketch = (files: StageFiles) => Readonly<Record<string, unknown>>

export interface StageFiles {
  /** Whom clients and the proxy trust. */
  readonly ca: string
  /** The proxy's own certificate, by the same authority as the server's. */
  readonly own: { readonly cert: string; readonly key: string }
  /** The server's certificate. */
  readonly same: { readonly cert: string; readonly key: string }
}

/** The database in which the role einvoice logs in by certificate alone. */
export const CERTIFICATE_DATABASE = 'postgres'

export class TlsStage {
  readonly authority: CertificateAuthority
  readonly client: Certificate
  readonly proxyCertificate: Certificate
  readonly node1: PostgresServer
  readonly scene: ProxyScene
  readonly #folder: string
  readonly #cluster: PostgresCluster
  readonly #ports: ReadonlyMap<string, number>

  private constructor(parts: {
    readonly authority: CertificateAuthority
    readonly client: Certificate
    readonly proxyCertificate: Certificate
    readonly scene: ProxyScene
    readonly folder: string
    readonly cluster: PostgresCluster
    readonly ports: ReadonlyMap<string, number>
  }) {
    this.authority = parts.authority
    this.client = parts.client
    this.proxyCertificate = parts.proxyCertificate
    this.scene = parts.scene
    this.#folder = parts.folder
    this.#cluster = parts.cluster
    this.#ports = parts.ports
    this.node1 = parts.cluster.node('node1')
  }

  /** One listener for each sketch, which routes to the primary. Waits until that is proven. `more`: of every listener. */
  static async open(
    binaries: PostgresBinaries,
    sketches: Readonly<Record<string, ListenerSketch>>,
    proxy: Readonly<Record<string, unknown>> = {},
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<TlsStage> {
    const folder = mkdtempSync(join(tmpdir(), 'pgha-tls-'))
    // The server's user has to reach the certificates' folder, and nobody needs more.
    chmodSync(folder, 0o711)
    const cluster = await createCluster({ nodes: 1, binaries, application: true })
    try {
      const authority = new CertificateAuthority(folder)
      const [server, own, client] = [
        authority.issue('server'),
        authority.issue('own'),
        authority.issue('client', 'einvoice'),
      ]
      await useTls(cluster.node('node1'), authority, server)
      const files: StageFiles = {
        ca: authority.certFile,
        own: { cert: own.certFile, key: own.keyFile },
        same: { cert: server.certFile, key: server.keyFile },
      }
      const names = Object.keys(sketches)
      const freed = await freePorts(names.length)
      const ports = new Map(names.map((name, index) => [name, freed[index] ?? 0]))
      const listeners = [...ports].map(([name, port]) => ({
        ...more,
        address: `127.0.0.1:${port}`,
        tls: sketches[name]?.(files),
      }))
      // By its name, so that verify-full towards it can succeed.
      const nodes = [{ name: 'node1', address: `localhost:${cluster.node('node1').port}` }]
      const scene = await ProxyScene.inFrontOf(cluster, { listeners, nodes, ...proxy })
      return new TlsStage({ authority, client, proxyCertificate: own, scene, folder, cluster, ports })
    } catch (error) {
      await cluster.destroy()
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Where the listener of that sketch is. */
  target(name: string): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: this.#ports.get(name) ?? 0 }
  }

  async close(): Promise<void> {
    await this.scene.close()
    await this.#cluster.destroy()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** TLS beside plain, SCRAM by either, and logging in by certificate in a database of its own. */
async function useTls(
  server: PostgresServer,
  authority: CertificateAuthority,
  certificate: Certificate,
): Promise<void> {
  const files = {
    ssl_cert_file: server.writeFile('server.crt', certificate.cert),
    ssl_key_file: server.writeFile('server.key', certificate.key),
    ssl_ca_file: server.writeFile('ca.crt', authority.cert),
  }
  server.setHbaLines([
    `hostssl ${CERTIFICATE_DATABASE} einvoice all cert`,
    `hostnossl ${CERTIFICATE_DATABASE} einvoice all reject`,
  ])
  server.configure({ ssl: true, ...files })
  await server.restart()
}
