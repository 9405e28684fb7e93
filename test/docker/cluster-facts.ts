/**
 * Gathers what the verdict on a scenario needs to know from those who know it: the last primary and the proxies. Test
 * support.
 */
import type { DockerNode } from './docker-node.ts'
import type { DockerProxy } from './docker-proxy.ts'
import { type Facts, parseHistory } from './verdict.ts'

/** Asks `primary`, which is the last one, and reads the log of every proxy there was. */
export async function gatherFacts(primary: DockerNode, proxies: readonly DockerProxy[]): Promise<Facts> {
  const walFile = await primary.ask('SELECT pg_walfile_name(pg_current_wal_lsn())')
  const timelineId = Number.parseInt(walFile.slice(0, 8), 16)
  // The first timeline has no history.
  const historySql = `SELECT pg_read_file('pg_wal/${walFile.slice(0, 8)}.history')`
  const history = timelineId === 1 ? '' : await primary.ask(historySql)
  const stored = await primary.ask('SELECT number FROM invoices', 'einvoice')
  const acceptedAt = new Map<number, number>()
  let loginsCutShort = 0
  for (const record of (await Promise.all(proxies.map((proxy) => proxy.log()))).flat()) {
    const epoch = record['epoch'] as { timelineId: number } | undefined
    if (record.msg === 'primary accepted' && epoch !== undefined) {
      acceptedAt.set(epoch.timelineId, new Date(record.time).getTime())
    }
    if (record['reason'] !== 'login-interrupted') continue
    if (record.msg === 'session ended') loginsCutShort += 1
    if (record.msg === 'more sessions ended') loginsCutShort += Number(record['count'])
  }
  return {
    timelineId,
    forks: parseHistory(history),
    stored: new Set(stored.split('\n')),
    acceptedAt,
    loginsCutShort,
    proxyAway: proxies.flatMap((proxy) => proxy.away),
  }
}
