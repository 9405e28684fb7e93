/**
 * P7 and P8: each limit by its answer, its close reason and its counter, as SIGHUP changes it under a neighbour that
 * goes on at full speed.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { StreamingNeighbour } from './neighbour.ts'
import { TOO_MANY_CLIENTS } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

const LOGIN = startupMessage({ user: 'postgres', database: 'einvoice' })

let scene: Scene
let neighbour: StreamingNeighbour
let original: string
const clients: RawClient[] = []

beforeAll(async () => {
  scene = await Scene.open({ nodes: 1, repmgrTables: false })
  original = readFileSync(scene.config.file, 'utf8')
  neighbour = await StreamingNeighbour.start(scene.target)
})

beforeEach(() => tellOnFailure(() => scene))

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await setLimits({})
  await scene.waitForStatus('the neighbour to be alone', ({ sessions }) => sessions.active === 1)
  const rows = neighbour.rowCount
  await neighbour.waitForMore(200)
  expect(neighbour.rowCount).toBeGreaterThan(rows)
  expect(neighbour.problems).toEqual([])
})

afterAll(async () => {
  neighbour.stop()
  await scene.close()
})

/** Has the proxy take over the original file with these settings in it. */
async function setLimits(limits: Readonly<Record<string, unknown>>, hold: Readonly<Record<string, unknown>> = {}) {
  const since = scene.proxy.log.length
  writeFileSync(scene.config.file, stringify({ ...(parse(original) as object), limits, hold }))
  scene.proxy.signal('SIGHUP')
  const isDone = ({ msg }: { readonly msg?: unknown }) => String(msg).startsWith('configuration reloaded')
  return await scene.proxy.waitForLog('the reload', isDone, { since })
}

async function connect(bytes: Buffer = Buffer.alloc(0)): Promise<RawClient> {
  const client = await RawClient.connect(scene.target)
  clients.push(client)
  client.send(bytes)
  return client
}

async function logIn(): Promise<RawClient> {
  const client = await RawClient.login(scene.target)
  clients.push(client)
  return client
}

/** A login that is refused: its words, and that it was counted once under this reason. */
async function refusal(reason: string): Promise<string> {
  const before = await scene.endedCount(reason)
  const client = await connect(LOGIN)
  await client.waitForEnd()
  const [error] = client.errors
  client.destroy()
  await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended[reason] === before + 1)
  return `${error?.['S']} ${error?.['C']} ${error?.['M']}`
}

describe('SIGHUP changes', () => {
  it('limits.max_sessions_per_address', async () => {
    await logIn()
    const record = await setLimits({ max_sessions_per_address: 2 })
    expect(record['changed']).toEqual(['limits.max_sessions_per_address: 0 -> 2'])
    expect(await refusal('too-many-from-address')).toBe('FATAL 53300 too many connections from this address')
    await setLimits({ max_sessions_per_address: 3 })
    await logIn()
    expect(await refusal('too-many-from-address')).toBe('FATAL 53300 too many connections from this address')
    const list = (await (await scene.proxy.get('/api/sessions')).json()) as { readonly clients: unknown }
    expect(list.clients).toEqual([{ client: '127.0.0.1', sessions: 3 }])
    await setLimits({ max_sessions_per_address: 0 })
    await logIn()
  })

  it('limits.max_sessions_per_address, and gives the place of a session back when it ends', async () => {
    await setLimits({ max_sessions_per_address: 2 })
    const first = await logIn()
    await refusal('too-many-from-address')
    first.destroy()
    await scene.waitForStatus('a place', ({ sessions }) => sessions.active === 1)
    await logIn()
  })

  it('limits.max_sessions, and ends nobody who is there', async () => {
    const there = [await logIn(), await logIn()]
    await setLimits({ max_sessions: 1 })
    expect(await refusal('too-many-sessions')).toBe(`FATAL 53300 ${TOO_MANY_CLIENTS}`)
    for (const client of there) {
      client.query('SELECT 1')
      await client.waitForNth('Z', 2)
    }
    await setLimits({ max_sessions: 4 })
    await logIn()
  })

  it('limits.startup_timeout', async () => {
    await setLimits({ startup_timeout: '150ms' })
    const before = await scene.endedCount('startup-timeout')
    const client = await connect(LOGIN.subarray(0, 10))
    expect(await client.waitForEnd(5_000)).toHaveLength(0)
    await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended['startup-timeout'] === before + 1)
  })
})
