/**
 * P7, bad input of clients that are held because there is no primary: each form by its answer, its close reason and its
 * counter, beside a neighbour at full speed on a standby.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HELD, LOGIN, TOO_MANY_HELD } from './hostile-forms.ts'
import { HostileWatch } from './hostile-watch.ts'
import { StreamingNeighbour } from './neighbour.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

const HELD_MAX = 2

let scene: Scene
let neighbour: StreamingNeighbour
let watch: HostileWatch

beforeAll(async () => {
  scene = await Scene.open({ nodes: 2, proxy: { hold: { timeout: '1s', max_sessions: HELD_MAX } } })
  await scene.waitForRole('node2', 'standby')
  neighbour = await StreamingNeighbour.start({ host: '127.0.0.1', port: scene.config.standbyPort })
  watch = new HostileWatch(scene, neighbour)
  await scene.proxy.post('/api/fence', { node: 'node1' })
  await scene.waitForStatus('no primary', ({ primary }) => primary === null)
})

beforeEach(() => tellOnFailure(() => scene))

afterAll(async () => {
  neighbour?.stop()
  await scene?.close()
})

/** Connects, sends the first packet, and waits until it is held. */
async function hold(bytes: Buffer, count = 1): Promise<RawClient> {
  const client = await RawClient.connect(scene.target)
  client.send(bytes)
  await scene.waitUntilHeld(count)
  return client
}

describe('a client that is held and sends', () => {
  it.each(HELD)('$name ends as $counted', async (form) => {
    await watch.begin(form)
    const client = await hold(form.bytes)
    client.send(form.next)
    if (form.fin) client.socket.end()
    const words = await client.waitForEnd()
    // What is too much stays with whoever sends it.
    if (form.counted === 'hold-expired') expect(client.socket.writableLength).toBeGreaterThan(0)
    client.destroy()
    await watch.end(form, words)
  })
})

describe('a client too many', () => {
  it('that would be held is told at once, while the others go on waiting', async () => {
    await watch.begin(TOO_MANY_HELD)
    const others = [await hold(LOGIN), await hold(LOGIN, HELD_MAX)]
    const client = await RawClient.connect(scene.target)
    client.send(LOGIN)
    const words = await client.waitForEnd()
    expect(others.map(({ hasEnded }) => hasEnded)).toEqual([false, false])
    for (const each of [...others, client]) each.destroy()
    await watch.end(TOO_MANY_HELD, words)
  })
})
