/**
 * P7, clients that are too slow or too many: each is told what there is to tell, is counted, and a neighbour that writes
 * at full speed loses nothing.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { LogRecord } from '../support/proxy-process.ts'
import { TOO_MANY, TOO_SLOW } from './hostile-forms.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { Writer } from './writers.ts'

const SESSIONS_MAX = 8
const STARTUP_TIMEOUT_MS = 300
const LOGIN = { user: 'postgres', database: 'einvoice' }

let scene: Scene
let neighbour: Writer
const clients: RawClient[] = []

beforeAll(async () => {
  scene = await Scene.open({
    nodes: 1,
    repmgrTables: false,
    proxy: { limits: { max_sessions: SESSIONS_MAX, startup_timeout: `${STARTUP_TIMEOUT_MS}ms` } },
  })
  neighbour = new Writer(scene.target, { style: 'long', name: 'neighbour', paceMs: 0 })
})

beforeEach(() => tellOnFailure(() => scene))

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

afterAll(async () => {
  await neighbour.stop()
  expect(neighbour.errors).toEqual([])
  expect(neighbour.sessionCount).toBe(1)
  const rows = await scene.node('node1').query("SELECT number FROM invoices WHERE customer = 'neighbour' ORDER BY id", {
    database: 'einvoice',
  })
  expect(rows.map((row) => row['number'])).toEqual(neighbour.acknowledged.map(({ number }) => number))
  await scene.close()
})

/** The close reason in the log, and its counter. */
async function waitForEnded(reason: string, before: number, since: number): Promise<void> {
  const isIt = (record: LogRecord) => record.msg === 'session ended' && record['reason'] === reason
  await scene.proxy.waitForLog(`a session that ended as ${reason}`, isIt, { since })
  await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended[reason] === before + 1)
}

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(scene.target)
  clients.push(client)
  return client
}

describe('a client that sends', () => {
  it.each(TOO_SLOW)('$name is let go when its time is over', async ({ bytes, counted }) => {
    const [before, since] = [await scene.endedCount(counted), scene.proxy.log.length]
    const connectedAt = performance.now()
    const client = await connect()
    client.send(bytes)
    expect(await client.waitForEnd()).toHaveLength(0)
    expect(performance.now() - connectedAt).toBeGreaterThanOrEqual(STARTUP_TIMEOUT_MS - 10)
    client.destroy()
    await waitForEnded(counted, before, since)
    await neighbour.waitForMore(50)
  })

  it('the longest startup packet there may be is taken, byte by byte', async () => {
    const fixed = startupMessage({ ...LOGIN, application_name: '' }).length
    const packet = startupMessage({ ...LOGIN, application_name: 'x'.repeat(10_004 - fixed) })
    expect(packet).toHaveLength(10_004)
    const client = await connect()
    for (const cut of [1, 3, 4, 7, 8, 9_000]) client.send(packet.subarray(clientOffset(cut), cut))
    client.send(packet.subarray(9_000))
    await client.waitForMessage('Z')
  })
})

describe('a client too many', () => {
  it('is told 53300 when limits.max_sessions are there, and comes in when one has left', async () => {
    await scene.waitForStatus('the neighbour to be alone', ({ sessions }) => sessions.active === 1)
    const { told, counted } = TOO_MANY
    const [before, since] = [await scene.endedCount(counted), scene.proxy.log.length]
    const others = await Promise.all(Array.from({ length: SESSIONS_MAX - 1 }, () => RawClient.login(scene.target)))
    clients.push(...others)
    const late = await connect()
    late.send(startupMessage(LOGIN))
    await late.waitForEnd()
    expect(late.errors.map(({ C, M }) => `${C} ${M}`)).toEqual([told])
    late.destroy()
    await waitForEnded(counted, before, since)

    others[0]?.destroy()
    await scene.waitForStatus('a free place', ({ sessions }) => sessions.active === SESSIONS_MAX - 1)
    clients.push(await RawClient.login(scene.target))
    await neighbour.waitForMore(50)
  })
})

/** Where the piece that ends at `cut` begins. */
function clientOffset(cut: number): number {
  const cuts = [0, 1, 3, 4, 7, 8, 9_000]
  return cuts[cuts.indexOf(cut) - 1] ?? 0
}
