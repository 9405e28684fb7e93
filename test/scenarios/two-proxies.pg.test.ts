/**
 * The host of a proxy dies, and clients that know both proxies go on through the other one; and two proxies, which never
 * talk to each other, agree on the primary because both go by proof. Each proxy has a host of its own in a network of the
 * test's own. The figures are in docs/operations/the-proxy-host-died.md.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { isInOwnNetwork, ownNetworkAvailable, runInOwnNetwork } from '../support/own-network.ts'
import { networkClientsAvailable } from './network-clients.ts'
import { loginTimes, makeTheEthernet, TwoProxies } from './two-proxies-stage.ts'

/** What docs/operations/the-proxy-host-died.md tells people to write. */
const TIMES =
  'connect_timeout=40 tcp_user_timeout=3000 keepalives_idle=2 keepalives_interval=1 keepalives_count=3 target_session_attrs=read-write'
const BOTH = `host=10.77.0.21,10.77.0.22 port=5432 ${TIMES}`

if (isInOwnNetwork()) {
  let stage: TwoProxies

  beforeAll(async () => {
    makeTheEthernet()
    stage = await TwoProxies.open()
  })

  afterAll(async () => {
    await stage.close()
  })

  describe('clients whose connection string names two proxies', () => {
    it('go to the second within milliseconds when the first is killed and its host lives', async () => {
      const [long, fresh] = [stage.client(BOTH, 'long'), stage.client(BOTH, 'fresh')]
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, stage.proxy1.address)))
      const killedAt = performance.now()
      await stage.proxy1.proxy.destroy()
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, stage.proxy2.address)))
      tell(
        'killed, host alive',
        [long, fresh].map((client) => client.longestGapMs(killedAt)),
      )
      expect(Math.max(long.longestGapMs(killedAt), fresh.longestGapMs(killedAt))).toBeLessThan(2_000)
      await stage.stopClients()
      await stage.proxy1.startAgain()
    })

    it('stay on a draining proxy with the session they have, and open new ones through the other', async () => {
      const [long, fresh] = [stage.client(BOTH, 'long'), stage.client(BOTH, 'fresh')]
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, stage.proxy1.address)))
      expect((await stage.proxy1.proxy.post('/api/drain', { drain: true })).status).toBe(200)
      await fresh.waitForMore(5, stage.proxy2.address)
      await long.waitForMore(5, stage.proxy1.address)
      expect([...long.errors, ...fresh.errors]).toEqual([])
      expect((await stage.proxy1.proxy.post('/api/drain', { drain: false })).status).toBe(200)
      await fresh.waitForMore(5, stage.proxy1.address)
      await stage.stopClients()
    })

    it('are back within their own time limits when the host of the first goes without a word', async () => {
      const [long, fresh, waiting] = (['long', 'fresh', 'waiting'] as const).map((style) => stage.client(BOTH, style))
      if (long === undefined || fresh === undefined || waiting === undefined) throw new Error('three were started')
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, stage.proxy1.address)))
      await waitFor('the third to wait', () => waiting.connects.length === 1)
      const lostAt = performance.now()
      await stage.proxy1.losePower()
      const [, , error] = await Promise.all([
        long.waitForMore(5, stage.proxy2.address),
        fresh.waitForMore(5, stage.proxy2.address),
        waiting.waitForError(lostAt),
      ])
      tell(
        'power lost: writes again',
        [long, fresh].map((client) => client.longestGapMs(lostAt)),
      )
      tell('power lost: a waiting client is told', [error.at - lostAt], error.text)
      tell(
        'power lost: each connect after that',
        fresh.connects.filter(({ at }) => at > lostAt).map(({ ms }) => ms),
      )
      // tcp_user_timeout, in the kernel's steps: once for the session, and once for the connect to the host that is gone.
      expect(long.longestGapMs(lostAt)).toBeLessThan(9_000)
      expect(fresh.longestGapMs(lostAt)).toBeLessThan(9_000)
      // Nothing is on its way, so that only keepalive asks: 2 s, and then tcp_user_timeout.
      expect(error.at - lostAt).toBeLessThan(10_000)
      await stage.stopClients()
      stage.proxy1.host.plugInAgain()
      await stage.proxy1.startAgain()
    })
  })

  describe('two proxies during a failover', () => {
    it('never admit anybody to the old primary after one of them admitted somebody to the new', async () => {
      const [node1, node2] = [stage.node('node1'), stage.node('node2')]
      const clients = stage.proxies.flatMap(({ address }) => [
        stage.client(`host=${address} ${TIMES}`, 'long'),
        stage.client(`host=${address} ${TIMES}`, 'fresh'),
      ])
      await Promise.all(clients.map((client) => client.waitForMore(10)))
      await node1.kill()
      // Longer than it takes to give up a host that is gone: the limits for that must not end a connect that is held.
      await Promise.all(
        stage.proxies.map((proxy) =>
          waitFor(`${proxy.name} to have held somebody for 4 s`, () => proxy.oldestHeldMs(), {
            until: (heldMs) => heldMs > 4_000,
          }),
        ),
      )
      await stage.promote('node2')
      await Promise.all(stage.proxies.map((proxy) => proxy.waitUntilServing('node2')))
      await Promise.all(clients.map((client) => client.waitForMore(10)))
      // The old primary comes back by itself: it takes writes, and nobody gets there.
      await node1.start()
      await waitFor(
        'both proxies to know the old primary',
        async () => {
          const seen = await Promise.all(stage.proxies.map((proxy) => proxy.status()))
          return seen.map(({ nodes }) => nodes.find(({ name }) => name === 'node1')?.role)
        },
        { until: (roles) => roles.every((role) => role === 'stale-primary') },
      )
      await Promise.all(clients.map((client) => client.waitForMore(20)))
      await stage.stopClients()

      const [before, after] = [loginTimes(node1), loginTimes(node2)]
      expect(before.length).toBeGreaterThan(0)
      expect(after.length).toBeGreaterThan(0)
      expect(String(before.at(-1)) < String(after[0]), `${before.at(-1)} < ${after[0]}`).toBe(true)
      const kept = await stage.invoices('node2')
      const acknowledged = clients.flatMap((client) => client.acknowledged)
      const onNode2 = acknowledged.filter(({ port }) => port === node2.port)
      expect(new Set(onNode2.map(({ proxy }) => proxy))).toEqual(new Set(stage.proxies.map(({ address }) => address)))
      expect(onNode2.filter(({ number }) => !kept.has(number))).toEqual([])
      const errors = clients.flatMap((client) => client.errors)
      expect(errors.filter(({ code, text }) => code === '25006' || /timeout expired|timed out/.test(text))).toEqual([])
    })
  })
} else {
  const missing = [ownNetworkAvailable(), networkClientsAvailable()].find((each) => each !== true) ?? true

  describe.skipIf(leftOut('two proxies on two hosts', missing))('two proxies on two hosts', () => {
    it('survive each other, by the tests that run in a network of their own', { timeout: 180_000 }, async () => {
      await runInOwnNetwork(import.meta.filename, 170_000)
    })
  })
}

/** The figures of the docs come from here. */
function tell(what: string, milliseconds: readonly number[], words = ''): void {
  process.stdout.write(`${what}: ${milliseconds.map((each) => Math.round(each)).join(', ')} ms ${words}\n`)
}
