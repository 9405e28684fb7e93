/**
 * P5, cancel requests where the proxy that gets one has never seen its session: two proxies behind one address, which
 * takes them in turn, as load balancers and DNS names do. On primary and standby listeners, and while a standby is out
 * of the rotation and keeps its sessions.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { firstPacket } from '../protocol/wire-bytes.ts'
import { RawClient } from './raw-client.ts'
import { ProxyScene, Scene, tellOnFailure } from './scene.ts'

const CANCEL_CODE = 80_877_102
const LONG_QUERY = 'SELECT pg_sleep(600)'

/** One address for several: whoever connects gets the next one. */
class Balancer {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #turn = 0

  private constructor(ports: readonly number[]) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const server = connect({ host: '127.0.0.1', port: ports[this.#turn % ports.length] ?? 0, allowHalfOpen: true })
      this.#turn += 1
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from)
        from.on('error', () => to.destroy())
        from.on('close', () => this.#sockets.delete(from))
        from.pipe(to)
      }
    })
  }

  static async start(ports: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports)
    balancer.#server.listen(0, '127.0.0.1')
    await once(balancer.#server, 'listening')
    return balancer
  }

  get target(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

let scene: Scene
let second: ProxyScene
let balancers: Readonly<Record<'primary' | 'standby', Balancer>>
const clients: RawClient[] = []

beforeAll(async () => {
  scene = await Scene.open({ nodes: 2 })
  await scene.waitForRole('node2', 'standby')
  second = await ProxyScene.inFrontOf(scene.cluster)
  balancers = {
    primary: await Balancer.start([scene.config.primaryPort, second.config.primaryPort]),
    standby: await Balancer.start([scene.config.standbyPort, second.config.standbyPort]),
  }
})

beforeEach(() => {
  tellOnFailure(() => scene)
  tellOnFailure(() => second)
})

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy()
})

afterAll(async () => {
  await balancers?.primary.close()
  await balancers?.standby.close()
  await second?.close()
  await scene?.close()
})

interface RunningQuery {
  readonly client: RawClient
  readonly pid: number
  readonly key: Buffer
}

async function startQuery(listener: 'primary' | 'standby', node: string): Promise<RunningQuery> {
  const client = await RawClient.login(balancers[listener].target)
  clients.push(client)
  const key = client.messages.find(({ type }) => type === 'K')?.payload ?? Buffer.alloc(4)
  const pid = key.readInt32BE(0)
  client.query(LONG_QUERY)
  await scene.node(node).waitFor(`SELECT state = 'active' FROM pg_stat_activity WHERE pid = ${pid}`)
  return { client, pid, key }
}

async function cancel(listener: 'primary' | 'standby', key: Buffer): Promise<void> {
  const client = await RawClient.connect(balancers[listener].target)
  clients.push(client)
  client.send(firstPacket(CANCEL_CODE, key))
  expect(await client.waitForEnd()).toHaveLength(0)
}

describe('a cancel that comes through another proxy than its session', () => {
  it.each([
    ['primary', 'node1'],
    ['standby', 'node2'],
  ] as const)('reaches it, and nobody else (%s listener)', async (listener, node) => {
    // The second session and its cancel are by turns of different proxies, and so are the third and its cancel.
    const bystander = await startQuery(listener, node)
    const mine = await startQuery(listener, node)
    const before = await Promise.all([scene, second].map((each) => each.endedCount('cancel-request')))
    await cancel(listener, mine.key)
    await mine.client.waitForMessage('E')
    expect(mine.client.errors).toEqual([expect.objectContaining({ C: '57014' })])
    await scene.waitForStatus('the count', ({ sessions }) => sessions.ended['cancel-request'] === (before[0] ?? 0) + 1)
    expect(await second.endedCount('cancel-request')).toBe(before[1])

    const later = await startQuery(listener, node)
    await cancel(listener, later.key)
    await later.client.waitForMessage('E')
    expect(bystander.client.errors).toEqual([])
    const isRunning = `SELECT state = 'active' FROM pg_stat_activity WHERE pid = ${bystander.pid}`
    expect(await scene.node(node).value(isRunning)).toBe(true)
  })

  it('reaches it on a standby that nobody is routed to any more', async () => {
    const mine = await startQuery('standby', 'node2')
    const node2 = scene.node('node2')
    const conninfo = String(await node2.value('SHOW primary_conninfo'))
    node2.setAutoConf('primary_conninfo', '')
    node2.reload()
    for (const proxy of [scene, second])
      await proxy.waitForStatus('node2 to be out of the rotation', ({ warnings }) =>
        warnings.some((text) => text.includes('node2 has no upstream')),
      )
    await cancel('standby', mine.key)
    await mine.client.waitForMessage('E')
    expect(mine.client.errors).toEqual([expect.objectContaining({ C: '57014' })])
    node2.setAutoConf('primary_conninfo', conninfo)
    node2.reload()
  })
})
