/**
 * Two proxies behind one address that keepalived moves, with config/keepalived.conf.example: the address follows a proxy
 * that takes sessions, and when both hosts hold it at once, still only the one primary is written to. Each proxy has a
 * host of its own in a network of the test's own. The figures are in docs/operations/the-proxy-host-died.md.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { Keepalived, keepalivedAvailable, testConfig, writeExample } from '../support/keepalived.ts'
import { leftOut } from '../support/left-out.ts'
import { isInOwnNetwork, ownNetworkAvailable, runInOwnNetwork } from '../support/own-network.ts'
import { networkClientsAvailable } from './network-clients.ts'
import {
  loginTimes,
  makeTheEthernet,
  NODE_ADDRESSES,
  type ProxyHost,
  TwoProxies,
  VIRTUAL_ADDRESS,
} from './two-proxies-stage.ts'

/** What docs/operations/the-proxy-host-died.md tells people to write. */
const TIMES = 'connect_timeout=40 tcp_user_timeout=10000 keepalives_idle=2 keepalives_interval=1 keepalives_count=3'
const BY_ADDRESS = `host=${VIRTUAL_ADDRESS} port=5432 ${TIMES}`

if (isInOwnNetwork()) {
  let stage: TwoProxies
  let keepers: Map<ProxyHost, Keepalived>

  beforeAll(async () => {
    makeTheEthernet()
    stage = await TwoProxies.open()
    keepers = new Map(stage.proxies.map((proxy) => [proxy, keep(proxy)]))
  })

  beforeEach(async () => {
    await waitFor('one keeper to have the address, and the other to stand by', () => states().sort(), {
      until: ([first, second]) => first === 'BACKUP' && second === 'MASTER' && holders().length === 1,
    })
  })

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      for (const [{ name }, keeper] of keepers) process.stdout.write(`${name}:\n${keeper.log.slice(-20).join('\n')}\n`)
    }
    await stage.stopClients()
  })

  afterAll(async () => {
    await Promise.all([...keepers.values()].map((keeper) => keeper.kill()))
    await stage.close()
  })

  const keep = (proxy: ProxyHost): Keepalived => new Keepalived(proxy.host, proxy.folder, VIRTUAL_ADDRESS)

  const holders = (): readonly ProxyHost[] => stage.proxies.filter(({ host }) => host.hasAddress(VIRTUAL_ADDRESS))

  const states = (): (string | null)[] => [...keepers.values()].map(({ state }) => state)

  const waitForHolders = async (count: number): Promise<readonly ProxyHost[]> =>
    await waitFor(`${count} hosts to hold the address`, holders, { until: ({ length }) => length === count })

  /** Who holds the address, and who does not. */
  const sides = (): readonly [ProxyHost, ProxyHost] => {
    const [holder] = holders()
    const other = stage.proxies.find((proxy) => proxy !== holder)
    if (holder === undefined || other === undefined) throw new Error('nobody holds the address')
    return [holder, other]
  }

  describe('the address of two proxies', () => {
    it('has an example configuration in which keepalived finds no fault', () => {
      const [good, bad] = ['good.conf', 'bad.conf'].map((name) => join(stage.folder, name))
      if (good === undefined || bad === undefined) throw new Error('two were named')
      writeExample(good, VIRTUAL_ADDRESS)
      writeFileSync(bad, readFileSync(good, 'utf8').replace('advert_int', 'advert_innt'))
      expect(testConfig(stage.clientHost, good)).toBe('')
      expect(testConfig(stage.clientHost, bad)).toContain('advert_innt')
    })

    it('moves when the host that has it goes without a word, and stays where it is when that host returns', async () => {
      const [holder, other] = sides()
      const [long, fresh] = [stage.client(BY_ADDRESS, 'long'), stage.client(BY_ADDRESS, 'fresh')]
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, holder.address)))
      const lostAt = performance.now()
      // The cable first: a process that is killed would otherwise say so.
      holder.host.unplug()
      await Promise.all([keepers.get(holder)?.kill(), holder.losePower()])
      await waitFor('the address to move', () => other.host.hasAddress(VIRTUAL_ADDRESS), { intervalMs: 5 })
      tell('power lost: the address has moved', [performance.now() - lostAt])
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, other.address)))
      tell(
        'power lost: writes again',
        [long, fresh].map((client) => client.longestGapMs(lostAt)),
      )
      expect(Math.max(long.longestGapMs(lostAt), fresh.longestGapMs(lostAt))).toBeLessThan(9_000)

      // A host that boots has it no more.
      holder.host.dropAddress(VIRTUAL_ADDRESS)
      holder.host.plugInAgain()
      await holder.startAgain()
      const errorCount = long.errors.length
      const again = keep(holder)
      keepers.set(holder, again)
      await waitFor('the returned host to stand by', () => again.state, { until: (state) => state === 'BACKUP' })
      await Promise.all([long, fresh].map((client) => client.waitForMore(50, other.address)))
      expect([long.errors.length, holders()]).toEqual([errorCount, [other]])
    })

    it('moves when the process dies and the host lives', async () => {
      const [holder, other] = sides()
      const fresh = stage.client(BY_ADDRESS, 'fresh')
      await fresh.waitForMore(5, holder.address)
      const killedAt = performance.now()
      await holder.proxy.destroy()
      await fresh.waitForMore(5, other.address)
      tell('process killed: writes again', [fresh.longestGapMs(killedAt)])
      expect(fresh.longestGapMs(killedAt)).toBeLessThan(6_000)
      await holder.startAgain()
    })

    it('moves away from a proxy that drains, which cuts its running sessions off', async () => {
      const [holder, other] = sides()
      const [long, fresh] = [stage.client(BY_ADDRESS, 'long'), stage.client(BY_ADDRESS, 'fresh')]
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, holder.address)))
      const drainedAt = performance.now()
      expect((await holder.proxy.post('/api/drain', { drain: true })).status).toBe(200)
      await Promise.all([long, fresh].map((client) => client.waitForMore(5, other.address)))
      tell(
        'drained: writes again',
        [long, fresh].map((client) => client.longestGapMs(drainedAt)),
      )
      tell('drained: what the running session is told', [], long.errors.at(0)?.text)
      expect((await holder.proxy.post('/api/drain', { drain: false })).status).toBe(200)
    })

    it('stays where it is through a failover, and held sessions go on', async () => {
      const [holder] = sides()
      const fresh = stage.client(BY_ADDRESS, 'fresh')
      await fresh.waitForMore(5, holder.address)
      await stage.node('node1').kill()
      await waitFor('nobody to be ready', async () => (await holder.proxy.get('/readyz')).status === 503)
      await waitFor('both keepers to have seen that nobody is ready', () =>
        [...keepers.values()].every(({ log }) => log.some((line) => line.includes('has_a_primary) failed'))),
      )
      await stage.promote('node2')
      await waitFor('both keepers to have seen that there is a primary again', () =>
        [...keepers.values()].every(({ log }) =>
          log.findLast((line) => line.includes('has_a_primary) '))?.includes('succeeded'),
        ),
      )
      await fresh.waitForMore(5, holder.address)
      expect(fresh.errors.filter(({ text }) => !text.includes('server closed the connection'))).toEqual([])
      expect(holders()).toEqual([holder])
    })

    it('moves away from a proxy whose way to the nodes is cut, as soon as the pause for failovers is over', async () => {
      const [holder, other] = sides()
      const cutAt = performance.now()
      // Their Ethernet addresses are wrong from now on: what is sent there goes nowhere, and nobody says so.
      for (const node of NODE_ADDRESSES) holder.host.setNeighbour(node, '02:00:00:00:00:ff')
      await waitFor('the address to move', () => other.host.hasAddress(VIRTUAL_ADDRESS), { timeoutMs: 40_000 })
      tell('nodes out of reach: the address has moved', [performance.now() - cutAt])
      expect((await holder.proxy.get('/readyz')).status).toBe(503)
      await stage.client(BY_ADDRESS, 'fresh').waitForMore(5, other.address)
      for (const node of NODE_ADDRESSES) holder.host.setNeighbour(node, null)
      await waitFor('it to see the nodes again', async () => (await holder.proxy.get('/readyz')).status === 200)
    })

    it('may be held by both hosts at once: all that is written is in the one primary', async () => {
      const [node1, node2] = [stage.node('node1'), stage.node('node2')]
      await Promise.all(stage.proxies.map((proxy) => proxy.waitUntilServing('node2')))
      // They do not hear each other, and everybody hears them.
      for (const { host } of stage.proxies) host.isolate(true)
      await waitForHolders(2)
      // The old primary of the test before comes back by itself, and takes writes.
      await node1.start()
      const loginsBefore = loginTimes(node1).length
      const clients = [
        stage.client(BY_ADDRESS, 'long'),
        stage.client(BY_ADDRESS, 'fresh'),
        ...stage.proxies.map(({ address }) => stage.client(`host=${address} ${TIMES}`, 'fresh')),
      ]
      await Promise.all(clients.map((client) => client.waitForMore(20)))
      for (const { host } of stage.proxies) host.isolate(false)
      await waitForHolders(1)
      await Promise.all(clients.map((client) => client.waitForMore(20)))
      await stage.stopClients()

      const acknowledged = clients.flatMap((client) => client.acknowledged)
      const kept = await stage.invoices('node2')
      expect(new Set(acknowledged.map(({ port }) => port))).toEqual(new Set([node2.port]))
      expect(acknowledged.filter(({ number }) => !kept.has(number))).toEqual([])
      expect(loginTimes(node1)).toHaveLength(loginsBefore)
    })
  })
} else {
  const missing =
    [ownNetworkAvailable(), networkClientsAvailable(), keepalivedAvailable()].find((each) => each !== true) ?? true

  describe.skipIf(leftOut('two proxies behind keepalived', missing))('two proxies behind keepalived', () => {
    it('are always one, by the tests that run in a network of their own', { timeout: 180_000 }, async () => {
      await runInOwnNetwork(import.meta.filename, 170_000)
    })
  })
}

/** The figures of the docs come from here. */
function tell(what: string, milliseconds: readonly number[], words = ''): void {
  process.stdout.write(`${what}: ${milliseconds.map((each) => Math.round(each)).join(', ')} ms ${words}\n`)
}
