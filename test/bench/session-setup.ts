/**
 * What the proxy adds to a new session (connect, SCRAM login, one query, end), measured against PostgreSQL directly,
 * one after the other in turns, so that both see the same machine.
 */
import pg from 'pg'
import { createCluster } from '../support/postgres-cluster.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { makeBenchFolder } from './bench-folder.ts'
import { BUILT } from './built.ts'

export interface SetupResult {
  readonly directMs: readonly number[]
  readonly proxiedMs: readonly number[]
}

export async function benchSessionSetup(rounds: number): Promise<SetupResult> {
  const cluster = await createCluster({ nodes: 1, application: true })
  const folder = makeBenchFolder('setup')
  const proxy = new ProxyProcess(await writeProxyConfig(folder.path, cluster, { log: { level: 'info' } }), BUILT)
  const directMs: number[] = []
  const proxiedMs: number[] = []
  try {
    await proxy.waitUntilReady()
    const direct = cluster.node('node1')
    for (let round = 0; round < rounds; round += 1) {
      directMs.push(await timeSession({ ...cluster.application, host: direct.host, port: direct.port }))
      proxiedMs.push(await timeSession({ ...cluster.application, host: '127.0.0.1', port: proxy.config.primaryPort }))
    }
    return { directMs, proxiedMs }
  } finally {
    await proxy.destroy()
    await cluster.destroy()
    folder.remove()
  }
}

async function timeSession(config: pg.ClientConfig): Promise<number> {
  const startedAt = performance.now()
  const client = new pg.Client(config)
  await client.connect()
  await client.query('SELECT 1')
  const elapsedMs = performance.now() - startedAt
  await client.end()
  return elapsedMs
}
