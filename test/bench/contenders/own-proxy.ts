/** pgha-proxy as users run it, in front of one server or cluster: the compiled program. Benchmark support. */
import { readFileSync } from 'node:fs'
import type { Certificate } from '../../support/certificates.ts'
import { freePorts } from '../../support/free-port.ts'
import { type ProxiedCluster, writeProxyConfig } from '../../support/proxy-config.ts'
import { ProxyProcess } from '../../support/proxy-process.ts'
import { BUILT } from '../built.ts'
import type { Contender } from './contender.ts'

export const OWN = 'pgha-proxy'

export interface OwnProxy extends Contender {
  readonly process: ProxyProcess
  readonly pid: number
  readonly config: string
  readonly close: () => Promise<void>
}

export interface OwnProxyOptions {
  /** Exists, and is the caller's. */
  readonly folder: string
  readonly cluster: ProxiedCluster
  readonly sessionsMax: number
  /** Gives a second listener, which ends TLS. */
  readonly certificate?: Certificate
  /** More of the configuration file. */
  readonly more?: Readonly<Record<string, unknown>>
  /** After those of the unit. */
  readonly nodeArgs?: readonly string[]
}

/** Resolves when it serves. Rejects with its words when it does not, for instance because it refuses its configuration. */
export async function startOwnProxy(options: OwnProxyOptions): Promise<OwnProxy> {
  const { folder, cluster, sessionsMax, certificate, more = {}, nodeArgs = [] } = options
  const [port = 0, tlsPort = 0] = await freePorts(2)
  const files = certificate === undefined ? null : { cert: certificate.certFile, key: certificate.keyFile }
  const terminating = {
    address: `127.0.0.1:${tlsPort}`,
    tls: { mode: 'terminate', ...files, server_sslmode: 'disable' },
  }
  const config = await writeProxyConfig(folder, cluster, {
    listeners: [{ address: `127.0.0.1:${port}` }, ...(files === null ? [] : [terminating])],
    limits: { max_sessions: sessionsMax },
    log: { level: 'info', format: 'json' },
    ...more,
  })
  const proxy = new ProxyProcess(config, { ...BUILT, nodeArgs: [...BUILT.nodeArgs, ...nodeArgs] })
  try {
    await proxy.waitUntilReady()
  } catch (error) {
    await proxy.destroy()
    throw error
  }
  return {
    name: OWN,
    target: { host: '127.0.0.1', port },
    tls: files === null ? null : { kind: 'terminated', target: { host: '127.0.0.1', port: tlsPort } },
    process: proxy,
    pid: proxy.pid ?? -1,
    config: readFileSync(config.file, 'utf8').replace(/password: .*/, 'password: …'),
    close: () => proxy.destroy(),
  }
}
