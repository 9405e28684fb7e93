/**
 * Reading from standbys, with real servers: who gets the next session, which standbys leave the rotation and come back,
 * and what goes on while the primary is lost or replaced. One cluster for all tests; each but the last leaves it as it
 * found it.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { freePorts } from '../support/free-port.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { runProgram } from './programs.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

/** Listeners by what they are for. */
type Listener = 'write' | 'least' | 'robin' | 'ending' | 'any'

const NO_STANDBY =
  'the database system is not accepting connections: no standby available (no connection to the server)'
/** Nowhere: a standby that is told to follow this has lost its upstream. */
const DEAD_UPSTREAM = 'host=127.0.0.1 port=1 user=postgres'

let scene: Scene
let ports: Readonly<Record<Listener, number>>
const clients: RawClient[] = []

beforeAll(async () => {
  const [write = 0, least = 0, robin = 0, ending = 0, any = 0] = await freePorts(5)
  ports = { write, least, robin, ending, any }
  const at = (port: number): string => `127.0.0.1:${port}`
  scene = await Scene.open({
    nodes: 4,
    proxy: {
      listeners: [
        { address: at(write), route: 'primary' },
        { address: at(least), route: 'standby', balance: 'least-sessions', max_lag: '1MiB', fallback: 'primary' },
        { address: at(robin), route: 'standby', balance: 'round-robin', max_lag: '1MiB', fallback: 'none' },
        { address: at(ending), route: 'standby', max_lag: '1MiB', fallback: 'none', on_promotion: 'end' },
        { address: at(any), route: 'any', max_lag: '1MiB' },
      ],
      shutdown: { grace: '0s' },
    },
  })
})

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

afterAll(async () => {
  await scene.close()
})

/** A session that stays until the end of the test. */
async function open(listener: Listener): Promise<RawClient> {
  const client = await RawClient.login({ host: '127.0.0.1', port: ports[listener] }, listener)
  clients.push(client)
  return client
}

async function nodeOf(client: RawClient): Promise<string> {
  const port = await client.ask('SELECT inet_server_port()::text')
  return scene.cluster.nodes.find((node) => String(node.port) === port)?.name ?? `port ${port}`
}

/** Opens sessions one after the other; on which nodes they are. */
async function openOn(listener: Listener, count: number): Promise<string[]> {
  const nodes: string[] = []
  for (let opened = 0; opened < count; opened += 1) nodes.push(await nodeOf(await open(listener)))
  return nodes.sort()
}

/** Where the next session of a listener comes out, or the error that it gets; it is gone afterwards. */
async function look(listener: Listener): Promise<string> {
  const client = await RawClient.login({ host: '127.0.0.1', port: ports[listener] }, 'look').catch(
    (error: Error) => error,
  )
  if (client instanceof Error) return client.message
  try {
    return await nodeOf(client)
  } finally {
    client.destroy()
  }
}

/** Waits until sessions come out on exactly these nodes, by the listener that takes turns. */
async function waitForRotation(...names: readonly string[]): Promise<void> {
  await waitFor(
    `the rotation to be ${names.join(', ')}`,
    async () => {
      const seen = new Set<string>()
      for (let turn = 0; turn < 2 * scene.cluster.nodes.length; turn += 1) seen.add(await look('robin'))
      return [...seen].sort()
    },
    { until: (seen) => seen.join() === names.join(), timeoutMs: 30_000 },
  )
}

async function nodeStatus(name: string) {
  const found = (await scene.status()).nodes.find((node) => node.name === name)
  if (found === undefined) throw new Error(`${name} is not in the status`)
  return found
}

/** Bytes of WAL that the standby has not replayed, by what the servers say, the primary asked first. */
async function lagByServers(primary: PostgresServer, standby: PostgresServer): Promise<number> {
  const written = String(await primary.value('SELECT pg_current_wal_lsn()'))
  return Number(await standby.value(`SELECT '${written}'::pg_lsn - pg_last_wal_replay_lsn()`))
}

async function writeWal(bytes: number): Promise<void> {
  await scene.node('node1').query(`SELECT pg_logical_emit_message(false, 'x', repeat('x', ${bytes}))`)
}

function loseUpstream(standby: PostgresServer): void {
  standby.setAutoConf('primary_conninfo', DEAD_UPSTREAM)
  standby.reload()
}

describe('standby listeners', () => {
  it('share sessions evenly, and a standby that joins late gets its share', async () => {
    tellOnFailure(() => scene)
    await scene.node('node4').stop('fast')
    await waitForRotation('node2', 'node3')
    expect(await openOn('least', 4)).toEqual(['node2', 'node2', 'node3', 'node3'])

    await scene.node('node4').start()
    await waitForRotation('node2', 'node3', 'node4')
    expect(await openOn('least', 2)).toEqual(['node4', 'node4'])
    const { nodes } = await scene.status()
    expect(nodes.map(({ sessions }) => sessions)).toEqual([0, 2, 2, 2])

    // An application opens one to write with each one to read.
    const readers: string[] = []
    for (let pair = 0; pair < 6; pair += 1) {
      readers.push(...(await openOn('robin', 1)))
      expect(await openOn('write', 1)).toEqual(['node1'])
    }
    expect(readers.sort()).toEqual(['node2', 'node2', 'node3', 'node3', 'node4', 'node4'])
  })

  it('leave out a standby that is more than max_lag behind, end nobody there, and take it again when it has caught up', async () => {
    tellOnFailure(() => scene)
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    await waitForRotation('node2', 'node3', 'node4')
    const sessions = await Promise.all([open('robin'), open('robin'), open('robin')])
    const places = await Promise.all(sessions.map(nodeOf))
    const onNode2 = sessions[places.indexOf('node2')]
    if (onNode2 === undefined) throw new Error(`nobody is on node2: ${places.join(', ')}`)

    await node2.query('SELECT pg_wal_replay_pause()')
    try {
      const start = await lagByServers(node1, node2)
      await writeWal(2_000_000)
      await waitForRotation('node3', 'node4')
      const least = await lagByServers(node1, node2)
      expect(least).toBeGreaterThanOrEqual(start + 2_000_000)
      await scene.waitForStatus('the whole lag', ({ nodes }) =>
        nodes.some(({ name, replayLagBytes }) => name === 'node2' && (replayLagBytes ?? 0) >= least),
      )
      expect((await nodeStatus('node2')).replayLagBytes).toBeLessThanOrEqual(await lagByServers(node1, node2))
      expect(await nodeOf(onNode2)).toBe('node2')
      expect(await openOn('least', 4)).not.toContain('node2')
    } finally {
      await node2.query('SELECT pg_wal_replay_resume()')
    }
    await waitForRotation('node2', 'node3', 'node4')
    expect(await nodeOf(onNode2)).toBe('node2')
    await scene.waitForStatus('no lag on an idle cluster', ({ nodes }) =>
      nodes.every(({ name, replayLagBytes }) => replayLagBytes === (name === 'node1' ? null : 0)),
    )
  })

  it('take a standby behind another while the chain ends at the primary, and neither when the first has lost its upstream', async () => {
    tellOnFailure(() => scene)
    const [node1, node3, node4] = [scene.node('node1'), scene.node('node3'), scene.node('node4')]
    await scene.cluster.follow(node4, node3)
    await scene.waitForStatus('node4 to be seen there', ({ nodes }) =>
      nodes.some(({ name, upstream }) => name === 'node4' && upstream === `${node3.host}:${node3.port}`),
    )
    await waitForRotation('node2', 'node3', 'node4')

    loseUpstream(node3)
    await waitForRotation('node2')
    expect((await nodeStatus('node3')).problem).toBe('has no upstream')
    await scene.cluster.follow(node3, node1)
    await waitForRotation('node2', 'node3', 'node4')
    await scene.cluster.follow(node4, node1)
    await scene.cluster.waitForStreaming(node1, [node4])
  })

  it('fall back to the primary or refuse when no standby is left, and go to standbys again when one is back', async () => {
    tellOnFailure(() => scene)
    const [node1] = scene.cluster.nodes
    await waitForRotation('node2', 'node3', 'node4')
    node1?.setHbaLines(['host replication all all reject'])
    node1?.reload()
    try {
      await waitFor('the end of all replication', async () => {
        await node1?.query('SELECT pg_terminate_backend(pid) FROM pg_stat_replication')
        return (await look('robin')).includes(NO_STANDBY)
      })
      expect(await look('robin')).toContain('57P03')
      expect(await look('ending')).toContain(NO_STANDBY)
      expect(await openOn('least', 2)).toEqual(['node1', 'node1'])
      expect(await openOn('any', 1)).toEqual(['node1'])
      expect((await nodeStatus('node1')).sessions).toBe(3)
      const said = await runProgram('pg_isready', [], {
        target: { host: '127.0.0.1', port: ports.robin },
        // A client that asks for TLS first can be told nothing by a listener that passes it through.
        env: { PGSSLMODE: 'disable' },
      })
      expect([said.code, said.stdout.trim()]).toEqual([1, `127.0.0.1:${ports.robin} - rejecting connections`])
    } finally {
      node1?.setHbaLines([])
      node1?.reload()
    }
    await waitForRotation('node2', 'node3', 'node4')
    expect(await openOn('least', 3)).toEqual(['node2', 'node3', 'node4'])
    expect(['node2', 'node3', 'node4']).toContain(await look('any'))
    // Those who fell back stay where they are.
    expect((await nodeStatus('node1')).sessions).toBe(3)
  })

  it('go on while the primary is lost: no reader waits and none is refused', async () => {
    tellOnFailure(() => scene)
    const node1 = scene.node('node1')
    await waitForRotation('node2', 'node3', 'node4')
    const running = await open('robin')
    const place = await nodeOf(running)
    const seen: string[] = []
    let isOver = false
    const readers = (async () => {
      while (!isOver) {
        for (const listener of ['robin', 'any'] as const) seen.push(await look(listener))
      }
    })()
    await node1.kill()
    await scene.waitForStatus('the loss', ({ state }) => state === 'no-primary')
    const before = seen.length
    // The primary stays away until they have been served.
    await waitFor('more readers', () => seen.length >= before + 20, { timeoutMs: 20_000 })
    const writer = look('write')
    await scene.waitUntilHeld(1)
    expect(await nodeOf(running)).toBe(place)

    await node1.start()
    await scene.waitUntilServing('node1')
    isOver = true
    await readers
    expect(await writer).toBe('node1')
    expect(new Set(seen)).toEqual(new Set(['node2', 'node3', 'node4']))
    await waitForRotation('node2', 'node3', 'node4')
  })

  it('keep or end the sessions of a standby that is promoted, as on_promotion says, and end those that fell back', async () => {
    tellOnFailure(() => scene)
    const [node2, node3] = [scene.node('node2'), scene.node('node3')]
    await waitForRotation('node2', 'node3', 'node4')
    const onNode2 = async (listener: Listener): Promise<RawClient> => {
      for (let attempt = 0; attempt < 8; attempt += 1) {
        const client = await open(listener)
        if ((await nodeOf(client)) === 'node2') return client
      }
      throw new Error('no session came out on node2')
    }
    const [kept, ended] = [await onNode2('robin'), await onNode2('ending')]
    // From node2 it never gets more than that has: after the promotion node1 writes on, and WAL of its own would part them.
    await scene.cluster.follow(node3, node2)
    await scene.cluster.waitForStreaming(node2, [node3])

    await scene.promote('node2')
    await scene.waitUntilServing('node2')
    await ended.waitForEnd()
    expect(ended.errors).toEqual([expect.objectContaining({ C: '57P01', D: 'pgha-proxy: node2 was promoted' })])
    expect(await kept.ask("SELECT pg_is_in_recovery()::text || current_setting('transaction_read_only')")).toBe(
      'falseoff',
    )

    // node4 still follows the old primary.
    await waitForRotation('node3')
    expect(await look('ending')).toBe('node3')

    loseUpstream(node3)
    await waitFor('node3 to be left out', async () => (await look('robin')).includes(NO_STANDBY))
    const fallen = await open('least')
    expect(await nodeOf(fallen)).toBe('node2')
    await scene.cluster.follow(node3, node2)
    await waitForRotation('node3')

    await scene.promote('node3')
    await Promise.all([kept.waitForEnd(), fallen.waitForEnd()])
    for (const client of [kept, fallen]) {
      expect(client.errors).toEqual([
        expect.objectContaining({ C: '57P01', D: 'pgha-proxy: node2 is no longer primary (now node3)' }),
      ])
    }
  })
})
