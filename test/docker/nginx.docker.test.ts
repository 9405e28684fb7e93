/**
 * The known issue, beside its remedy: one cluster, nginx with the original pg.conf and pgha-proxy with what
 * `init --from-nginx` makes of it, and the same Laravel application behind each.
 */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { leftOut } from '../support/left-out.ts'
import { ClusterContainer } from './cluster-container.ts'
import { PASSWORDS } from './cluster-plan.ts'
import { clusterStage } from './cluster-stage.ts'
import { type AppResult, DockerApp } from './docker-app.ts'
import type { DockerCluster } from './docker-cluster.ts'
import { docker, engineAvailable } from './engine.ts'
import { IMAGES } from './images.ts'

const PG_CONF = fileURLToPath(new URL('../../docker/nginx/pg.conf', import.meta.url))
const stage = clusterStage()

/** What a user does who comes from nginx. */
async function configFromNginx(): Promise<Record<string, unknown>> {
  const text = await docker(
    'run',
    '--rm',
    '--volume',
    `${PG_CONF}:/pg.conf:ro`,
    IMAGES.proxy,
    'init',
    '--from-nginx',
    '/pg.conf',
  )
  return parse(text) as Record<string, unknown>
}

/** Two nodes, which keep their addresses as nginx looks names up only once; both proxies, and an application each. */
async function openBoth(): Promise<{ cluster: DockerCluster; viaNginx: DockerApp; viaProxy: DockerApp }> {
  const cluster = await stage.open({ nodes: 2, fixedAddresses: true, withProxy: false })
  const { network } = cluster.plan
  const { listeners, nodes } = await configFromNginx()
  await cluster.startProxy('reverse-proxy', { listeners, nodes, hold: { timeout: '25s' } })
  await cluster.proxy.waitUntilServing('pg-0')
  await new ClusterContainer(IMAGES.nginx, [{ network, alias: 'nginx' }]).start()
  const password = PASSWORDS.BEACONX_APP_PASSWORD
  const [viaNginx, viaProxy] = await Promise.all([
    DockerApp.start({ network, host: 'nginx', password }),
    DockerApp.start({ network, host: 'reverse-proxy', password }),
  ])
  return { cluster, viaNginx, viaProxy }
}

describe.skipIf(leftOut('nginx and Laravel in containers', engineAvailable()))(
  'after a failover, the old primary',
  () => {
    it('is a standby again: through nginx Laravel cannot write any more, through the proxy it never notices', async () => {
      const { cluster, viaNginx, viaProxy } = await openBoth()
      const old = cluster.node('pg-0')
      await old.kill()
      await Promise.all([viaNginx.waitForMore(5, 'pg-1'), viaProxy.waitForMore(5, 'pg-1')])
      await cluster.waitUntilRegistered('pg-1')
      await old.recreate({ environment: { REPMGR_AUTO_REJOIN: 'yes' } })
      await old.waitUntilFollowing('pg-1')
      await cluster.proxy.waitForRole('pg-0', 'standby')

      // New sessions, as every request of a web application and every deployment brings them.
      await Promise.all([viaNginx.restart(), viaProxy.restart()])
      const errors = await viaNginx.waitForErrors(10, '25006')
      await viaProxy.waitForMore(10, 'pg-1')

      expect(errors[0]?.error).toContain('cannot execute INSERT in a read-only transaction')
      const results = await viaProxy.results()
      expect(results.filter(({ sqlstate }) => sqlstate === '25006')).toEqual([])
      // Laravel's own logic reconnects and tries again, except in a transaction, which is the application's to repeat.
      expect(results.filter(({ ok, inTransaction }) => !ok && !inTransaction)).toEqual([])
      expect(results.filter(({ ok, inTransaction }) => !ok && inTransaction).length).toBeLessThanOrEqual(1)
    })

    it('comes back as a primary of its own: through nginx invoices are acknowledged and lost, through the proxy none', async () => {
      const { cluster, viaNginx, viaProxy } = await openBoth()
      const old = cluster.node('pg-0')
      await old.kill()
      await Promise.all([viaNginx.waitForMore(5, 'pg-1'), viaProxy.waitForMore(5, 'pg-1')])
      await old.start()
      await old.waitUntilUp()
      await cluster.proxy.waitForRole('pg-0', 'stale-primary')

      await Promise.all([viaNginx.restart(), viaProxy.restart()])
      await Promise.all([viaNginx.waitForMore(10, 'pg-0'), viaProxy.waitForMore(10, 'pg-1')])

      const [seenViaNginx, seenViaProxy] = await Promise.all([viaNginx.results(), viaProxy.results()])
      const stored = new Set((await cluster.node('pg-1').ask('SELECT number FROM invoices', 'einvoice')).split('\n'))
      const lost = (results: readonly AppResult[]): readonly AppResult[] =>
        results.filter(({ ok, invoice }) => ok && !stored.has(invoice))
      expect(lost(seenViaNginx).length).toBeGreaterThanOrEqual(10)
      // All that replication may have lost with the killed server is what it was told last.
      const lastBeforeKill = seenViaProxy.filter(({ server }) => server === 'pg-0').at(-1)
      expect(lost(seenViaProxy).filter(({ invoice }) => invoice !== lastBeforeKill?.invoice)).toEqual([])
      expect(seenViaProxy.filter(({ ok, inTransaction }) => !ok && !inTransaction)).toEqual([])
    })
  },
)
