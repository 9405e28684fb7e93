/**
 * P3, new sessions while there is no primary: they wait, in order and within bounds, and go on by themselves.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { HOLD_QUEUE_FULL, NO_PRIMARY } from './promised-words.ts'
import { RawClient, startupMessage } from './raw-client.ts'
import { ProxyScene, Scene, tellOnFailure } from './scene.ts'

const HELD_COUNT = 200

/** Its node1 is down for the whole file; node2 is promoted by the last test. */
let scene: Scene
const others: ProxyScene[] = []
const clients: RawClient[] = []

beforeAll(async () => {
  scene = await Scene.open({
    nodes: 2,
    settings: { max_connections: 300 },
    proxy: { hold: { timeout: '30s' } },
  })
  // Proxies with bounds that a test can reach; they must have proven the primary before it dies.
  for (const hold of [{ timeout: '400ms' }, { max_sessions: 2 }, { timeout: '30s', release_rate: 5 }]) {
    others.push(await ProxyScene.inFrontOf(scene.cluster, { hold }))
  }
  await scene.node('node1').kill()
  await Promise.all([scene, ...others].map((each) => each.waitForStatus('the loss', ({ primary }) => primary === null)))
})

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

afterAll(async () => {
  for (const other of others) await other.close()
  await scene.close()
})

/** A client that has asked for a session and got no answer yet. */
async function ask(through: ProxyScene, name = 'held'): Promise<RawClient> {
  const client = await RawClient.connect(through.target)
  clients.push(client)
  client.send(startupMessage({ user: 'postgres', database: 'einvoice', application_name: name }))
  return client
}

function other(index: number): ProxyScene {
  const found = others[index]
  if (found === undefined) throw new Error(`there is no proxy ${index}`)
  return found
}

describe('a new session while no primary is proven', () => {
  it('is refused with 57P03 and the reason when hold.timeout is over', async () => {
    const askedAt = performance.now()
    const client = await ask(other(0))
    await client.waitForEnd()
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(390)
    const [error] = client.errors
    expect(error).toMatchObject({ S: 'FATAL', C: '57P03', M: NO_PRIMARY })
    expect(error?.['D']).toContain((await other(0).status()).reason)
    client.destroy()
    await other(0).waitForStatus('it to be counted', ({ sessions }) => sessions.ended['hold-expired'] === 1)
  })

  it('is refused at once when hold.max_sessions others wait, and frees its place when it leaves', async () => {
    const first = await ask(other(1))
    await ask(other(1))
    await other(1).waitUntilHeld(2)
    const third = await ask(other(1))
    await third.waitForEnd()
    expect(third.errors).toEqual([expect.objectContaining({ S: 'FATAL', C: '57P03', M: HOLD_QUEUE_FULL })])
    third.destroy()

    first.destroy()
    await other(1).waitUntilHeld(1)
    await ask(other(1))
    await other(1).waitUntilHeld(2)
    await other(1).waitForStatus(
      'both to be counted',
      ({ sessions: { ended } }) => ended['hold-queue-full'] === 1 && ended['client-left-early'] === 1,
    )
  })

  it('goes on by itself, first come first served and at a bounded rate, once one is proven', async () => {
    tellOnFailure(() => scene)
    const slow = other(2)
    const inOrder: RawClient[] = []
    for (let index = 0; index < 6; index += 1) {
      inOrder.push(await ask(slow, `slow${index}`))
      await slow.waitUntilHeld(index + 1)
    }
    const many = await Promise.all(Array.from({ length: HELD_COUNT }, (_, index) => ask(scene, `many${index}`)))
    await scene.waitUntilHeld(HELD_COUNT)
    expect(many.every((client) => client.received.length === 0)).toBe(true)

    await scene.promote('node2')
    const released = await watchRelease(many, inOrder)
    expect(released.order).toEqual([0, 1, 2, 3, 4, 5])
    // 5 a second make a second from the first to the last; the first log-in may take some of it.
    expect(released.tookMs).toBeGreaterThan(500)

    for (const client of [...many, ...inOrder]) {
      expect(client.errors).toEqual([])
      client.query('SELECT pg_is_in_recovery()')
    }
    await Promise.all([...many, ...inOrder].map((client) => client.waitForMessage('D')))
    const answers = [...many, ...inOrder].flatMap((client) => client.messages.filter(({ type }) => type === 'D'))
    expect(new Set(answers.map(({ payload }) => payload.toString('latin1').slice(-1)))).toEqual(new Set(['f']))
    expect((await scene.status()).sessions.ended).toMatchObject({ 'hold-expired': 0, 'hold-queue-full': 0 })
  })
})

/** Looks on until everybody may ask: in which order `inOrder` came, and how long these took from the first to the last. */
async function watchRelease(many: readonly RawClient[], inOrder: readonly RawClient[]) {
  const order: number[] = []
  const moments: number[] = []
  const isReady = (client: RawClient) => client.messages.some(({ type }) => type === 'Z')
  const look = () => {
    for (const [index, client] of inOrder.entries()) {
      if (order.includes(index) || !isReady(client)) continue
      order.push(index)
      moments.push(performance.now())
    }
    return order.length === inOrder.length && many.every(isReady)
  }
  await waitFor('everybody to be released', look, { intervalMs: 5, timeoutMs: 15_000 })
  return { order, tookMs: (moments.at(-1) ?? 0) - (moments[0] ?? 0) }
}
