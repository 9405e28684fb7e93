/**
 * Memory of idle sessions: PSS and RSS of the proxy process, from /proc, before and with N logged-in sessions that do
 * nothing. Linux only.
 */
import { readFileSync, rmSync } from 'node:fs'
import pg from 'pg'
import { createCluster } from '../support/postgres-cluster.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { makeServerFolder } from '../support/temp-folder.ts'
import { BUILT } from './built.ts'

export interface IdleResult {
  readonly sessions: number
  readonly rssBeforeMiB: number
  readonly rssMiB: number
  readonly pssMiB: number
}

export async function benchIdleSessions(sessions: number): Promise<IdleResult> {
  const cluster = await createCluster({
    nodes: 1,
    application: true,
    settings: { max_connections: sessions + 20, shared_buffers: '16MB' },
  })
  const folder = makeServerFolder('bench-idle')
  const proxy = new ProxyProcess(await writeProxyConfig(folder, cluster, { log: { level: 'info' } }), BUILT)
  const clients: pg.Client[] = []
  try {
    await proxy.waitUntilReady()
    const before = memoryOf(proxy)
    while (clients.length < sessions) {
      const batch = Array.from({ length: Math.min(50, sessions - clients.length) }, async () => {
        const client = new pg.Client({ host: '127.0.0.1', port: proxy.config.primaryPort, ...cluster.application })
        client.on('error', () => undefined)
        await client.connect()
        clients.push(client)
      })
      await Promise.all(batch)
    }
    const { rssMiB, pssMiB } = memoryOf(proxy)
    return { sessions: clients.length, rssBeforeMiB: before.rssMiB, rssMiB, pssMiB }
  } finally {
    await Promise.allSettled(clients.map((client) => client.end()))
    await proxy.destroy()
    await cluster.destroy()
    rmSync(folder, { recursive: true, force: true })
  }
}

function memoryOf(proxy: ProxyProcess): { rssMiB: number; pssMiB: number } {
  const text = readFileSync(`/proc/${proxy.pid}/smaps_rollup`, 'utf8')
  const read = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024
  return { rssMiB: read('Rss'), pssMiB: read('Pss') }
}
