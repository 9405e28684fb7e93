/**
 * P4, whatever may make a probe fail while the primary is well: no running session ends by it, and where the primary is
 * alive for sure, new ones go on too.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { signalProcess } from '../support/process-tree.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { Writer } from './writers.ts'

/** Silent after 3 x 300 ms. */
const QUICK = { timeout: '300ms', failures: 3, interval: '100ms', decision_ttl: '2s' }
/** Those that have answered a probe and wait for the next. */
const MONITORS = `SELECT pid FROM pg_stat_activity
  WHERE application_name = 'pgha-proxy' AND state = 'idle' AND query LIKE '%inRecovery%'`
/** Materialized: the planner would have whole functions, and so the killing, come before the filter. */
const KILL_MONITORS = `WITH monitors AS MATERIALIZED (${MONITORS})
  SELECT pid FROM monitors WHERE pg_terminate_backend(pid)`

let scene: Scene
let node1: PostgresServer
let long: Writer
/** Where the log was when the test began. */
let since = 0
const closers: (() => unknown)[] = []

beforeAll(async () => {
  scene = await Scene.open({ nodes: 2, settings: { max_connections: 25 }, proxy: { monitor: QUICK } })
  node1 = scene.node('node1')
})

beforeEach(async () => {
  tellOnFailure(() => scene)
  await scene.waitUntilServing('node1')
  since = scene.proxy.log.length
  long = new Writer(scene.target, { style: 'long', name: `long-${since}` })
  closers.push(() => long.stop())
  await long.waitForMore(1)
})

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

afterAll(async () => {
  await scene.close()
})

function freshWriter(): Writer {
  const writer = new Writer(scene.target, { style: 'fresh', name: `fresh-${since}` })
  closers.push(() => writer.stop())
  return writer
}

/** Every state that the log tells of since the test began. */
function statesSince(): readonly unknown[] {
  return scene.decisions(since).map((record) => record['state'])
}

async function expectUntouched(): Promise<void> {
  await long.waitForMore(5)
  expect(long.errors).toEqual([])
  expect(long.sessionCount).toBe(1)
}

describe('no running session ends, and serving goes on', () => {
  it('while the primary is frozen for less than the limit', async () => {
    const fresh = freshWriter()
    await fresh.waitForMore(1)
    await node1.freeze()
    await scene.proxy.waitForLog('a timeout', ({ msg, node }) => msg === 'probe failed' && node === 'node1', { since })
    node1.thaw()
    await fresh.waitForMore(5)
    await expectUntouched()
    expect(fresh.errors).toEqual([])
    expect(statesSince()).toEqual([])
  })

  it('while a probe is slow to be answered', async () => {
    const [row] = await node1.query(MONITORS)
    const monitorPid = Number(row?.['pid'])
    signalProcess(monitorPid, 'SIGSTOP')
    closers.push(() => signalProcess(monitorPid, 'SIGCONT'))
    await scene.proxy.waitForLog('a timeout', ({ failure }) => failure === 'timeout', { since })
    const fresh = freshWriter()
    await fresh.waitForMore(5)
    await expectUntouched()
    expect(fresh.errors).toEqual([])
    expect(statesSince()).toEqual([])
  })

  it('while the monitoring session is killed again and again', async () => {
    const fresh = freshWriter()
    const killed = new Set<unknown>()
    await waitFor('ten monitoring sessions to be killed', async () => {
      for (const { pid } of await node1.query(KILL_MONITORS)) killed.add(pid)
      return killed.size >= 10
    })
    await fresh.waitForMore(5)
    await expectUntouched()
    expect(fresh.errors).toEqual([])
    expect(statesSince()).toEqual([])
  })

  it('while every connection slot is taken, the reserved ones and that of the monitoring session too', async () => {
    await fillUp(node1)
    await scene.waitForStatus('the warning', ({ warnings }) =>
      warnings.some((text) => text.includes('too many connections')),
    )
    expect(await scene.status()).toMatchObject({ state: 'serving', primary: 'node1' })
    await expectUntouched()
    // Whoever comes now is routed, and hears it from the server itself.
    const fresh = freshWriter()
    await waitFor('a refusal', () => fresh.errors.length > 0)
    expect(fresh.errors[0]).toMatchObject({ phase: 'connect', code: '53300' })
    expect(scene.decisions(since).filter((record) => record['primary'] !== 'node1')).toEqual([])
    await long.waitForMore(5)
  })
})

describe('no running session ends, and new ones wait', () => {
  it('while the primary is frozen for longer than the limit and nobody else is primary', async () => {
    const idle = await RawClient.login(scene.target, 'idle')
    closers.push(() => idle.destroy())
    await node1.freeze()
    await scene.waitForStatus('doubt', ({ state }) => state === 'uncertain')
    const fresh = freshWriter()
    await scene.waitUntilHeld(1)
    idle.query("SELECT 'still here'")
    node1.thaw()
    await fresh.waitForMore(3)
    await idle.waitForMessage('D')
    await expectUntouched()
    expect(idle.hasEnded).toBe(false)
    expect(fresh.errors).toEqual([])
  })
})

/** Takes every slot there is, those reserved for superusers and the one of the monitoring session included. */
async function fillUp(server: PostgresServer): Promise<void> {
  const fillers = [await RawClient.login(server, 'filler')]
  closers.push(() => {
    for (const filler of fillers) filler.destroy()
  })
  await waitFor('every slot to be taken', async () => {
    await ask(fillers[0], KILL_MONITORS)
    for (;;) {
      const filler = await RawClient.login(server, 'filler').catch(() => null)
      if (filler === null) break
      fillers.push(filler)
    }
    const monitors = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgha-proxy'"
    return (await ask(fillers[0], monitors)) === '0'
  })
}

/** The first column of the answer's first row; `null` when it has none. */
async function ask(client: RawClient | undefined, sql: string): Promise<string | null> {
  if (client === undefined) throw new Error('nobody to ask')
  const answers = (type: string) => client.messages.filter((each) => each.type === type)
  const before = { rows: answers('D').length, ready: answers('Z').length }
  client.query(sql)
  await client.waitForNth('Z', before.ready + 1)
  return answers('D')[before.rows]?.payload.toString('latin1').slice(6) ?? null
}
