/**
 * P7, clients that break the rules: each is told clearly, is counted, and a neighbour that writes at full speed loses
 * nothing.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { firstPacket, int32, parameters } from '../protocol/wire-bytes.ts'
import { TOO_MANY_CLIENTS } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { Writer } from './writers.ts'

const SESSIONS_MAX = 8
const STARTUP_TIMEOUT_MS = 300
const LOGIN = { user: 'postgres', database: 'einvoice' }

/** What a client sends, what it is told (`null`: nothing, the connection ends), and how it is counted. */
const OFFENCES: readonly {
  readonly name: string
  readonly bytes: () => Buffer
  readonly told: Readonly<Record<string, unknown>> | null
  readonly counted: string
}[] = [
  {
    name: 'garbage',
    bytes: () => Buffer.concat([Buffer.from([0x47]), randomBytes(5_000)]),
    told: { S: 'FATAL', C: '08P01', M: 'invalid startup packet: length out of bounds' },
    counted: 'malformed-startup',
  },
  {
    name: 'an HTTP request',
    bytes: () => Buffer.from('GET / HTTP/1.1\r\nHost: db\r\n\r\n'),
    told: { S: 'FATAL', C: '08P01', M: 'invalid startup packet: length out of bounds' },
    counted: 'malformed-startup',
  },
  {
    name: 'a startup packet of more than 10,000 bytes',
    bytes: () => int32(10_005),
    told: { S: 'FATAL', C: '08P01', M: 'invalid startup packet: length out of bounds' },
    counted: 'malformed-startup',
  },
  {
    name: 'a startup packet without its terminator',
    bytes: () => firstPacket(196_608, 'user\0postgres'),
    told: { S: 'FATAL', C: '08P01', M: 'invalid startup packet: expected terminator as last byte' },
    counted: 'malformed-startup',
  },
  {
    name: 'protocol 2.0',
    bytes: () => firstPacket(2 << 16, Buffer.alloc(288)),
    told: { S: 'FATAL', C: '0A000', M: 'unsupported frontend protocol 2.0: server supports 3.x' },
    counted: 'unsupported-protocol',
  },
  {
    name: 'protocol 4.0',
    bytes: () => firstPacket(4 << 16, parameters(['user', 'postgres'])),
    told: { S: 'FATAL', C: '0A000', M: 'unsupported frontend protocol 4.0: server supports 3.x' },
    counted: 'unsupported-protocol',
  },
  { name: 'nothing', bytes: () => Buffer.alloc(0), told: null, counted: 'startup-timeout' },
  {
    name: 'half a startup packet',
    bytes: () => startupMessage(LOGIN).subarray(0, 20),
    told: null,
    counted: 'startup-timeout',
  },
]

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

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(scene.target)
  clients.push(client)
  return client
}

describe('a client that sends', () => {
  for (const { name, bytes, told, counted } of OFFENCES) {
    it(`${name} ${told === null ? 'is let go when its time is over' : `is told ${String(told['C'])}`}`, async () => {
      const before = await scene.endedCount(counted)
      const connectedAt = performance.now()
      const client = await connect()
      client.send(bytes())
      await client.waitForEnd()
      expect(client.errors).toEqual(told === null ? [] : [expect.objectContaining(told)])
      if (told === null) {
        expect(client.received).toHaveLength(0)
        expect(performance.now() - connectedAt).toBeGreaterThanOrEqual(STARTUP_TIMEOUT_MS - 10)
      }
      client.destroy()
      await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended[counted] === before + 1)
      await neighbour.waitForMore(50)
    })
  }

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
    const before = await scene.endedCount('too-many-sessions')
    const others = await Promise.all(Array.from({ length: SESSIONS_MAX - 1 }, () => RawClient.login(scene.target)))
    clients.push(...others)
    const late = await connect()
    late.send(startupMessage(LOGIN))
    await late.waitForEnd()
    expect(late.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '53300', M: TOO_MANY_CLIENTS })])
    late.destroy()
    await scene.waitForStatus('it to be counted', ({ sessions }) => sessions.ended['too-many-sessions'] === before + 1)

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
