/**
 * P1, servers that look like a primary and are none: another cluster behind a node's address, a standby that was made
 * a primary without a promotion, one that an operator has fenced.
 */
import { afterEach, describe, expect, it } from 'vitest'
import { PostgresServer } from '../support/postgres-server.ts'
import { createApplication, createMonitorRole } from '../support/roles.ts'
import { loginCount, Scene, tellOnFailure } from './scene.ts'
import { Crowd, Writer } from './writers.ts'

let scene: Scene
const closers: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await scene.close()
})

describe('a server of another cluster behind the address of the primary', () => {
  it('gets no session, though it has the application, its role and its password', async () => {
    scene = await Scene.open({ nodes: 2, repmgrTables: false, passwords: false })
    tellOnFailure(() => scene)
    const node1 = scene.node('node1')
    const crowd = new Crowd(scene.target, { long: 2, fresh: 2 })
    closers.push(() => crowd.stop())
    await crowd.waitForMore(3)

    await node1.stop('immediate')
    const takenAt = performance.now()
    const foreign = await PostgresServer.create({
      binaries: node1.binaries,
      name: 'foreign',
      host: node1.host,
      port: node1.port,
      freshInitdb: true,
      settings: { log_connections: true },
    })
    closers.push(() => foreign.destroy())
    await foreign.start()
    await createApplication(foreign)
    await createMonitorRole(foreign)
    await scene.waitForRole('node1', 'foreign')
    await scene.waitForStatus('all clients to be held', ({ sessions }) => sessions.held === 4)
    expect((await scene.status()).primary).toBeNull()
    expect(loginCount(foreign)).toBe(0)

    await foreign.destroy()
    await node1.start()
    await crowd.waitForMore(3, `${node1.host}:${node1.port}`)
    expect(crowd.errors.filter((error) => error.phase === 'connect' && error.at > takenAt)).toEqual([])
  })
})

describe('a standby that was made a primary by removing standby.signal (X10)', () => {
  it('gets no session: the unbroken incumbent keeps its sessions and gets the new ones', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    const crowd = new Crowd(scene.target, { long: 2, fresh: 2 })
    closers.push(() => crowd.stop())
    await crowd.waitForMore(3)

    await node2.stop()
    node2.setStandbySignal(false)
    await node2.start()
    await scene.waitForRole('node2', 'impostor')
    expect(await scene.status()).toMatchObject({ state: 'split-brain', primary: 'node1', timelineId: 1 })
    await crowd.waitForMore(10, `${node1.host}:${node1.port}`)
    expect(crowd.errors).toEqual([])
    expect(crowd.writers.map((writer) => writer.sessionCount).filter((count) => count === 1)).toHaveLength(2)
    expect(loginCount(node2)).toBe(0)
  })

  it('keeps the incumbent from being believed once it was restarted, until the other is gone', async () => {
    scene = await Scene.open({ nodes: 2, proxy: { hold: { timeout: '20s' } } })
    tellOnFailure(() => scene)
    const [node1, node2] = [scene.node('node1'), scene.node('node2')]
    await node2.stop()
    node2.setStandbySignal(false)
    await node2.start()
    await scene.waitForRole('node2', 'impostor')

    const since = scene.proxy.log.length
    await node1.restart()
    await scene.waitUntilBack('node1', since)
    const writer = new Writer(scene.target, { style: 'long', name: 'waiting' })
    closers.push(() => writer.stop())
    await scene.waitUntilHeld(1)
    expect(await scene.status()).toMatchObject({ state: 'split-brain', primary: null })

    await node2.stop()
    await writer.waitForMore(1, `${node1.host}:${node1.port}`)
    expect(writer.errors).toEqual([])
    expect(loginCount(node2)).toBe(0)
  })
})

describe('a node that an operator has fenced', () => {
  it('gets no session, also after a crash of the proxy, until it is unfenced', async () => {
    scene = await Scene.open({ nodes: 1, repmgrTables: false, proxy: { shutdown: { grace: '0s' } } })
    tellOnFailure(() => scene)
    const node1 = scene.node('node1')
    const writer = new Writer(scene.target, { style: 'long', name: 'fenced-off' })
    closers.push(() => writer.stop())
    await writer.waitForMore(2)
    const loginsBefore = loginCount(node1)

    expect((await scene.proxy.post('/api/fence', { node: 'node1' })).status).toBe(200)
    await scene.waitUntilHeld(1)
    expect(writer.errors.map((error) => error.code)).toEqual(['57P01'])
    await scene.proxy.destroy()
    scene.startProxyAgain()
    await scene.waitForRole('node1', 'fenced')
    await scene.waitUntilHeld(1)
    expect(loginCount(node1)).toBe(loginsBefore)

    expect((await scene.proxy.post('/api/unfence', { node: 'node1' })).status).toBe(200)
    await writer.waitForMore(2)
  })
})
