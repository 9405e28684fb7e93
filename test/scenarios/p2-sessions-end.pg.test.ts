/**
 * P2, the old primary lives on while another one is accepted: every session on it is told so and ended, whatever it is
 * doing, and never inside a message.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { frameNaively } from '../protocol/wire-bytes.ts'
import { SESSION_ENDED } from './promised-words.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

/** monitor.interval, within which a promotion beside a living primary is seen. */
const INTERVAL_MS = 500
/** What the test itself and a busy machine may take on top. */
const SLACK_MS = 500

const FAREWELL = {
  S: 'FATAL',
  V: 'FATAL',
  C: '57P01',
  M: SESSION_ENDED,
  D: 'pgha-proxy: node1 is no longer primary (now node2)',
}

/** 64 MiB in rows of 1 MB, all of one letter, so that a foreign byte among them shows. */
const LARGE_RESULT = "SELECT repeat('x', 1000000) FROM generate_series(1, 64)"

let scene: Scene
const clients: RawClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await scene.close()
})

async function login(name: string): Promise<RawClient> {
  const client = await RawClient.login(scene.target, name)
  clients.push(client)
  return client
}

/** Promotes node2 beside the living node1; gives the moment at which it was a proven primary. */
async function usurp(): Promise<number> {
  await scene.promote('node2')
  return performance.now()
}

describe('when a second primary is promoted and accepted while the first lives on', () => {
  it('ends idle, open and busy sessions with 57P01 within one probe interval; those who come back are on the second', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    const idle = await login('idle')
    const open = await login('open')
    open.query('BEGIN; CREATE TABLE never_committed ()')
    const busy = await login('busy')
    busy.query('SELECT pg_sleep(60)')
    await scene.node('node1').waitFor("SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
    await scene
      .node('node1')
      .waitFor(
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND application_name = 'open'",
      )

    const promotedAt = await usurp()
    await Promise.all(clients.map((client) => client.waitForEnd()))
    expect(performance.now() - promotedAt).toBeLessThan(INTERVAL_MS + SLACK_MS)
    for (const client of [idle, open, busy]) {
      expect(client.errors).toEqual([expect.objectContaining(FAREWELL)])
      expect(frameNaively(client.received)).toMatchObject({ rest: Buffer.alloc(0), malformed: false })
    }

    await scene
      .node('node1')
      .waitFor("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name IN ('idle', 'open')")
    expect(
      await scene.node('node1').value("SELECT to_regclass('never_committed')", { database: 'einvoice' }),
    ).toBeNull()
    await scene.waitForStatus('the ended to be counted', ({ sessions }) => sessions.ended['node-not-routable'] === 3)

    const again = await login('again')
    again.query('SELECT inet_server_port()::text')
    await again.waitForMessage('D')
    const row = again.messages.find(({ type }) => type === 'D')
    expect(row?.payload.toString('latin1').slice(6)).toBe(String(scene.node('node2').port))
    expect((await scene.status()).nodes.map((node) => [node.name, node.sessions])).toEqual([
      ['node1', 0],
      ['node2', 1],
    ])
  })

  it('never speaks inside a message of a large result that a slow reader has not taken yet', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    const slow = await login('slow')
    slow.query(LARGE_RESULT)
    await slow.waitForBytes(1_000_000)
    slow.socket.pause()
    const node1 = scene.node('node1')
    await node1.waitFor("SELECT wait_event = 'ClientWrite' FROM pg_stat_activity WHERE application_name = 'slow'")

    await usurp()
    // The server's side is closed at once, though the client takes nothing.
    await node1.waitFor("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'slow'")
    slow.socket.resume()
    await slow.waitForEnd()

    const { messages, rest, malformed } = frameNaively(slow.received)
    expect(malformed).toBe(false)
    const rows = messages.filter(({ type }) => type === 'D')
    expect(rows.length).toBeLessThan(64)
    expect(rows.every(({ payload }) => payload.length === 1_000_006 && isFilledWithX(payload.subarray(6)))).toBe(true)
    // Cut inside a row: nothing but that row's beginning. Cut between two: the farewell.
    if (rest.length > 0) expect(isFilledWithX(rest.subarray(11))).toBe(true)
    else expect(slow.errors).toEqual([expect.objectContaining(FAREWELL)])
  })
})

function isFilledWithX(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x78)
}
