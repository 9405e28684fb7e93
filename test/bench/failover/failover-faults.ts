/**
 * The ways in which a primary goes, each with the promotion of its standby ordered at once, so that those in front of
 * them are compared and not who decides on the promotion. Benchmark support.
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { PostgresCluster } from '../../support/postgres-cluster.ts'
import type { PostgresServer } from '../../support/postgres-server.ts'
import type { FailoverTimes } from './outage.ts'

export const FAULTS = ['kill', 'switchover', 'freeze'] as const
export type Fault = (typeof FAULTS)[number]

/** How exact the end of recovery is. */
const LOOK_EVERY_MS = 1

/** In words, for the report. */
export const FAULT_WORDS: Readonly<Record<Fault, string>> = {
  kill: 'all processes of the primary are killed',
  switchover: 'the primary is stopped in order and comes back as a standby at once',
  freeze: 'all processes of the primary stand still (SIGSTOP); its kernel goes on accepting connections',
}

/** Breaks `from` and promotes `to`; resolves when `to` takes writes and its row says so, as repmgr's would. */
export async function failOver(
  cluster: PostgresCluster,
  fault: Fault,
  { from, to }: { readonly from: PostgresServer; readonly to: PostgresServer },
): Promise<Pick<FailoverTimes, 'faultAt' | 'writableAt'>> {
  const { seen } = await watchRecovery(to)
  const faultAt = wallMs()
  switch (fault) {
    case 'kill':
      await from.kill()
      break
    case 'freeze':
      await from.freeze()
      break
    case 'switchover':
      // A standby has received everything when its primary has stopped so.
      await from.stop('fast')
      break
    default:
      fault satisfies never
  }
  const record = async (): Promise<number> => {
    const at = await seen
    await cluster.recordPromotion(to)
    return at
  }
  const [writableAt] = await Promise.all([record(), to.promote()])
  if (fault === 'switchover') {
    await cluster.follow(from, to)
    await from.start()
  }
  return { faultAt, writableAt }
}

/** Brings the old primary back as a standby of the new one. */
export async function takeBack(
  cluster: PostgresCluster,
  { from, to }: { readonly from: PostgresServer; readonly to: PostgresServer },
): Promise<void> {
  if (from.isRunning && from.hasStandbySignal) await cluster.waitForStreaming(to, [from])
  else await cluster.reclone(from, to)
}

/** Resolves when it asks. `seen`: the wall time at which the node was first seen out of recovery. */
async function watchRecovery(node: PostgresServer): Promise<{ readonly seen: Promise<number> }> {
  const client = new pg.Client({ host: node.host, port: node.port, user: 'postgres', database: 'postgres' })
  client.on('error', () => {})
  await client.connect()
  const look = async (): Promise<number> => {
    for (;;) {
      const { rows } = await client.query<{ r: boolean }>('SELECT pg_is_in_recovery() AS r')
      if (rows[0]?.r === false) return wallMs()
      await delay(LOOK_EVERY_MS)
    }
  }
  const seen = look().finally(() => client.end().catch(() => {}))
  // Whoever fails before anybody waits for it has said so itself.
  seen.catch(() => {})
  return { seen }
}

/** Wall time with a fraction. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now()
}
