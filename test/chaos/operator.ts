/**
 * What the operator of a chaos run does: a switchover by hand, and after each episode the repair that brings all nodes
 * back below the one true primary. Test support. Every step goes into the history; the proxies are told nothing unless
 * they have to be.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Lsn, parseLsn } from '../../src/topology/lsn.ts'
import { waitFor } from '../support/condition.ts'
import type { Episode } from './fault.ts'
import { monotonicMs } from './history-file.ts'
import { DATA_NODES, type DataNodeName, type HostName, NODES, PROXIES } from './hosts.ts'
import type { ChaosStage } from './stage.ts'

/** repmgrd's last order may still be under way when it is killed. */
const SETTLE_MS = 1_500
const STREAMING_LIMIT_MS = 8_000
const ATTEMPTS = 3

/** Stops `from`, makes `to` the primary, and has the others follow it: as `repmgr standby switchover`, which needs ssh. */
export async function switchOver(stage: ChaosStage, from: DataNodeName, to: DataNodeName): Promise<void> {
  await endDaemons(stage)
  await step(stage, 'stop', from, () => stage.node(from).call('stop', 'fast'))
  await step(stage, 'promote', to, () => stage.node(to).call('promote'))
  // A rewind reads the timeline from the control file, which the first checkpoint after a promotion brings up to date.
  await stage.query(to, 'CHECKPOINT')
  const rest = DATA_NODES.filter((name) => name !== from && name !== to)
  const { upstream } = stage.node(to)
  await Promise.all([
    step(stage, 'rejoin', from, () => stage.node(from).call('rejoin', upstream)),
    ...rest.map((name) => step(stage, 'follow', name, () => stage.node(name).call('follow', upstream))),
  ])
  await startDaemons(stage)
}

/** Puts all right that is not, and gives the primary. On a busy machine a step may fail: then all of it is done again. */
export async function repair(
  stage: ChaosStage,
  how: Episode['repair'],
  say: (line: string) => void,
): Promise<DataNodeName> {
  for (let left = ATTEMPTS - 1; ; left -= 1) {
    try {
      return await repairOnce(stage, how)
    } catch (error) {
      if (left === 0) throw error
      say(`  the repair begins anew: ${(error as Error).message.split('\n', 1)[0]}`)
    }
  }
}

async function repairOnce(stage: ChaosStage, how: Episode['repair']): Promise<DataNodeName> {
  await endDaemons(stage)
  await Promise.all(NODES.map((name) => stage.node(name).call('thaw')))
  await delay(SETTLE_MS)
  const primary = await findPrimary(stage)
  const { upstream } = stage.node(primary)
  // Nobody else may claim to be one when the rows are put right.
  const strays = DATA_NODES.filter((name) => name !== primary && stage.truth(name)?.inRecovery !== true)
  await Promise.all(strays.map((name) => step(stage, 'stop', name, () => stage.node(name).call('stop', 'fast'))))
  await step(stage, 'register', primary, () => stage.node(primary).call('registerPrimary'))
  // For rewinds, as above.
  await stage.query(primary, 'CHECKPOINT')
  await Promise.all(
    DATA_NODES.filter((name) => name !== primary).map(async (name) => {
      if (!strays.includes(name) && (await isStreaming(stage, name, primary, 2_000))) return
      const gentle = strays.includes(name) ? 'rejoin' : 'follow'
      if (gentle === 'follow' || how === 'rejoin') {
        const done = await attempt(stage, gentle, name, () => stage.node(name).call(gentle, upstream))
        if (done && (await isStreaming(stage, name, primary, STREAMING_LIMIT_MS))) return
      }
      await step(stage, 'reclone', name, () => stage.node(name).call('clone', upstream))
    }),
  )
  await step(stage, 'register', 'witness', async () => {
    await stage.node('witness').call('start')
    await waitFor('the witness', () => stage.query('witness', 'SELECT 1'))
    await stage.node('witness').call('registerWitness', upstream)
  })
  await Promise.all(
    DATA_NODES.filter((name) => name !== primary).map((name) => isStreaming(stage, name, primary, 30_000)),
  )
  await startDaemons(stage)
  await settleSplitBrain(stage, primary)
  return primary
}

/** The one that is primary; where nobody is, the standby that is ahead is made one. */
async function findPrimary(stage: ChaosStage): Promise<DataNodeName> {
  const claims = () => DATA_NODES.filter((name) => stage.truth(name)?.inRecovery === false)
  if (claims().length === 0) await startAll(stage)
  if (claims().length === 0) return await promoteBest(stage)
  const highest = Math.max(...claims().map((name) => stage.truth(name)?.timelineId ?? 0))
  const best = claims().filter((name) => stage.truth(name)?.timelineId === highest)
  if (best.length < 2) return best[0] as DataNodeName
  // Two on one timeline: nothing tells them apart, so that it is the one that people were sent to.
  const statuses = await Promise.all(
    PROXIES.map((name) =>
      stage
        .proxy(name)
        .status()
        .catch(() => null),
    ),
  )
  return best.find((name) => statuses.some((status) => status?.primary === name)) ?? (best[0] as DataNodeName)
}

async function startAll(stage: ChaosStage): Promise<void> {
  await Promise.all(DATA_NODES.map((name) => step(stage, 'start', name, () => stage.node(name).call('start'))))
  await waitFor('every node to say what it is', () => DATA_NODES.map((name) => stage.truth(name)?.inRecovery), {
    until: (seen) => seen.every((each) => each !== null),
    timeoutMs: 15_000,
  }).catch(() => {})
}

async function promoteBest(stage: ChaosStage): Promise<DataNodeName> {
  const sql =
    'SELECT coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::text AS lsn FROM pg_is_in_recovery() AS r WHERE r'
  const found = await Promise.all(
    DATA_NODES.map(async (name) => ({ name, rows: await stage.query(name, sql).catch(() => []) })),
  )
  const positions = found.flatMap(({ name, rows }) =>
    rows.map(({ lsn }) => ({ name, lsn: parseLsn(String(lsn)) ?? (0n as Lsn) })),
  )
  const [best] = positions.sort((a, b) => (a.lsn < b.lsn ? 1 : -1))
  if (best === undefined) throw new Error('no node is left that could be primary')
  await step(stage, 'promote', best.name, () => stage.node(best.name).call('promote'))
  return best.name
}

/** Where two nodes claim one timeline a proxy waits for an operator's word. */
async function settleSplitBrain(stage: ChaosStage, primary: DataNodeName): Promise<void> {
  await Promise.all(
    PROXIES.map(async (name) => {
      const proxy = stage.proxy(name)
      const isSplit = async () => (await proxy.status().catch(() => null))?.state === 'split-brain'
      const stays = async () => {
        for (let look = 0; look < 10; look += 1) {
          if (!(await isSplit())) return false
          await delay(300)
        }
        return true
      }
      if (await stays()) await step(stage, 'proxy-accept', name, () => proxy.accept(primary))
    }),
  )
}

async function isStreaming(
  stage: ChaosStage,
  name: DataNodeName,
  primary: DataNodeName,
  timeoutMs: number,
): Promise<boolean> {
  const sql = `SELECT 1 FROM pg_stat_replication WHERE application_name = '${name}' AND state = 'streaming'`
  return await waitFor(`${name} to stream`, async () => (await stage.query(primary, sql)).length > 0, {
    timeoutMs,
    intervalMs: 200,
  }).catch(() => false)
}

async function endDaemons(stage: ChaosStage): Promise<void> {
  await Promise.all(NODES.map((name) => stage.node(name).call('killDaemon')))
}

async function startDaemons(stage: ChaosStage): Promise<void> {
  await Promise.all(NODES.map((name) => stage.node(name).call('restartDaemon')))
}

async function step(stage: ChaosStage, action: string, target: HostName, work: () => Promise<void>): Promise<void> {
  const tell = (phase: 'begin' | 'end', detail = '') =>
    stage.history.write({ kind: 'operator', at: monotonicMs(), action, target, phase, detail })
  tell('begin')
  await work().then(
    () => tell('end'),
    (error: unknown) => {
      tell('end', (error as Error).message)
      throw error
    },
  )
}

/** As `step`, for what may fail; gives whether it did not. */
async function attempt(
  stage: ChaosStage,
  action: string,
  target: HostName,
  work: () => Promise<void>,
): Promise<boolean> {
  return await step(stage, action, target, work).then(
    () => true,
    () => false,
  )
}
