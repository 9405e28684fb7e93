/**
 * P1 and P2 for sessions that were opened on a standby: they live through its promotion and can write from then on, so
 * they must not outlive its time as primary.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'

let scene: Scene
const clients: RawClient[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await scene.close()
})

/** Over the listener that routes to standbys. */
async function loginOnStandby(name: string): Promise<RawClient> {
  const client = await RawClient.login({ host: '127.0.0.1', port: scene.config.standbyPort }, name)
  clients.push(client)
  return client
}

describe('a session on a standby', () => {
  it('stays when that is promoted, writes, and ends with 57P01 when yet another primary is accepted', async () => {
    scene = await Scene.open({ nodes: 3, proxy: { shutdown: { grace: '0s' } } })
    tellOnFailure(() => scene)
    const [node1, node2, node3] = [scene.node('node1'), scene.node('node2'), scene.node('node3')]
    await scene.waitForStatus(
      'both standbys',
      ({ nodes }) => nodes.filter(({ role }) => role === 'standby').length === 2,
    )
    // One on each standby, by the least sessions.
    const sessions = [await loginOnStandby('first'), await loginOnStandby('second')]
    const ports = await Promise.all(sessions.map((client) => client.ask('SELECT inet_server_port()::text')))
    expect(new Set(ports)).toEqual(new Set([String(node2.port), String(node3.port)]))
    const onNode2 = sessions[ports.indexOf(String(node2.port))]
    if (onNode2 === undefined) throw new Error('nobody is on node2')

    await node1.kill()
    await scene.promote('node2')
    await scene.waitUntilServing('node2')
    expect(
      await onNode2.ask("INSERT INTO invoices (number, customer, amount_cents) VALUES ('1', 'c', 1) RETURNING 'ok'"),
    ).toBe('ok')

    await scene.cluster.follow(node3, node2)
    await scene.cluster.waitForStreaming(node2, [node3])
    await scene.cluster.waitForReplay(node2, [node3])
    await scene.promote('node3')
    await onNode2.waitForEnd()
    expect(onNode2.errors).toEqual([
      expect.objectContaining({ C: '57P01', D: 'pgha-proxy: node2 is no longer primary (now node3)' }),
    ])
    expect((await scene.status()).nodes.find(({ name }) => name === 'node3')?.sessions).toBe(1)
  })

  it('is not begun on one that follows a returned old primary: the new primary takes it', async () => {
    scene = await Scene.open({ nodes: 3 })
    tellOnFailure(() => scene)
    const [node1, node2, node3] = [scene.node('node1'), scene.node('node2'), scene.node('node3')]
    await node1.kill()
    await scene.promote('node2')
    await scene.waitUntilServing('node2')
    await node1.start()
    await scene.cluster.waitForStreaming(node1, [node3])
    await scene.waitForStatus('node3 to be seen there', ({ nodes }) =>
      nodes.some(({ name, upstream }) => name === 'node3' && upstream === `${node1.host}:${node1.port}`),
    )
    const client = await loginOnStandby('reader')
    expect(await client.ask('SELECT inet_server_port()::text')).toBe(String(node2.port))
  })
})
