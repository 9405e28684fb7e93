/**
 * P8, one proxy of two is drained: a real HAProxy that asks for health as it would ask Patroni sends no client into an
 * error, sessions that run go on, and probes and fencing with them.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { freePort } from '../support/free-port.ts'
import { Haproxy, haproxyAvailable } from '../support/haproxy.ts'
import { leftOut } from '../support/left-out.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { RawClient } from './raw-client.ts'
import { ProxyScene, tellOnFailure, trustApplication } from './scene.ts'

/** As docs/admin.md has it, but for the pace of the checks. */
const CHECKS = 'check inter 100ms fall 2 rise 2'

let cluster: PostgresCluster
let proxies: readonly ProxyScene[]
const clients: RawClient[] = []

beforeAll(async () => {
  cluster = await createCluster({ nodes: 2, repmgrTables: true, application: true })
  trustApplication(cluster.nodes)
  // A standby listener: /replica answers for it.
  proxies = [await ProxyScene.inFrontOf(cluster), await ProxyScene.inFrontOf(cluster)]
})

beforeEach(() => tellOnFailure(() => proxies[0]))

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  // A test that failed half-way must not fail the next ones.
  for (const proxy of proxies) if ((await proxy.status()).draining) await drain(proxies.indexOf(proxy), false)
})

afterAll(async () => {
  for (const proxy of proxies) await proxy.close()
  await cluster.destroy()
})

function at(index: number): ProxyScene {
  const proxy = proxies[index]
  if (proxy === undefined) throw new Error(`there is no proxy ${index}`)
  return proxy
}

async function drain(index: number, isOn = true): Promise<void> {
  const answer = await at(index).proxy.post('/api/drain', { drain: isOn })
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('message')])
}

async function codeOf(index: number, path: string): Promise<number> {
  return (await at(index).proxy.get(path)).status
}

async function login(target: { readonly host: string; readonly port: number }): Promise<RawClient> {
  const client = await RawClient.login(target)
  clients.push(client)
  return client
}

const activeOn = async (index: number): Promise<number> => (await at(index).status()).sessions.active

describe('the checks under the names of Patroni', () => {
  it('say what becomes of a session that comes now, in front of real servers', async () => {
    await waitFor('the standby to be readable', async () => (await codeOf(0, '/replica')) === 200)
    for (const path of ['/primary', '/read-write', '/read-only', '/health', '/readiness', '/replica?lag=16MB']) {
      expect([path, await codeOf(0, path)]).toEqual([path, 200])
    }
    expect(await (await at(0).proxy.get('/primary')).json()).toMatchObject({
      state: 'running',
      role: 'primary',
      timeline: 1,
    })
  })
})

describe.skipIf(leftOut('HAProxy in front of two proxies', haproxyAvailable()))('HAProxy in front of two', () => {
  let haproxy: Haproxy
  let balanced: { readonly host: string; readonly port: number }

  beforeAll(async () => {
    balanced = { host: '127.0.0.1', port: await freePort() }
    const server = ({ config }: ProxyScene, index: number): string => {
      const { hostname, port } = new URL(config.adminUrl)
      return `  server proxy${index} 127.0.0.1:${config.primaryPort} ${CHECKS} addr ${hostname} port ${port}`
    }
    const backend = (name: string, path: string): string =>
      [
        `backend ${name}`,
        '  balance leastconn',
        '  option redispatch 1',
        `  option httpchk GET ${path}`,
        '  http-check expect status 200',
        ...proxies.map(server),
      ].join('\n')
    const bind = `${balanced.host}:${balanced.port}`
    const frontend = [
      'frontend postgres',
      `  bind ${bind}`,
      '  use_backend routing if { nbsrv(routing) gt 0 }',
      '  default_backend holding',
    ].join('\n')
    const sections = [frontend, backend('routing', '/primary'), backend('holding', '/health')]
    haproxy = await Haproxy.startWith(at(0).folder, sections, [bind])
  })

  afterAll(async () => {
    await haproxy.close()
  })

  it('sends nobody into an error while one drains, and comes back to it when it takes sessions again', async () => {
    const [one, two] = [await login(balanced), await login(balanced)]
    expect([await activeOn(0), await activeOn(1)].toSorted()).toEqual([1, 1])

    await drain(0)
    // The checks have not failed yet: the first of these are refused by the proxy, and taken to the other one.
    for (let count = 0; count < 20; count += 1) await login(balanced)
    expect([await activeOn(0), await activeOn(1)]).toEqual([1, 21])
    for (const running of [one, two]) {
      running.query("SELECT 'still served'")
      await running.waitForMessage('D')
      expect(running.hasEnded).toBe(false)
    }

    for (const client of clients.splice(2)) client.destroy()
    await drain(0, false)
    await waitFor('sessions on both', async () => {
      await login(balanced)
      return (await activeOn(0)) > 1
    })
  })

  it('lets clients wait for a primary, though no proxy has one to offer', async () => {
    const node1 = cluster.node('node1')
    await node1.stop('fast')
    await waitFor('both to see it', async () => (await codeOf(0, '/primary')) + (await codeOf(1, '/primary')) === 1006)
    expect([await codeOf(0, '/health'), await codeOf(1, '/health')]).toEqual([200, 200])
    const waiting = Promise.all([login(balanced), login(balanced)])
    await waitFor('them to be held', async () => {
      const statuses = await Promise.all(proxies.map((proxy) => proxy.status()))
      return statuses.reduce((sum, { sessions }) => sum + sessions.held, 0) === 2
    })
    await node1.start()
    for (const client of await waiting) {
      client.query('SELECT 1')
      await client.waitForMessage('D')
    }
  })
})

describe('a proxy that drains', () => {
  it('follows a failover: the sessions on the old primary end, and no new one is taken for it', async () => {
    await at(0).waitUntilServing('node1')
    await at(1).waitUntilServing('node1')
    const client = await login(at(0).target)
    await drain(0)
    await cluster.node('node2').promote()
    await cluster.recordPromotion(cluster.node('node2'))
    await client.waitForEnd()
    expect(client.errors).toEqual([
      expect.objectContaining({ C: '57P01', D: 'pgha-proxy: node1 is no longer primary (now node2)' }),
    ])
    await expect(RawClient.connect(at(0).target)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    const moved = await login(at(1).target)
    moved.query('SELECT 1')
    await moved.waitForMessage('D')
  })
})
