/**
 * docker/README.md's own way: the compose project as people start it, a failover in it, and its end. On ports of its own.
 */
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/condition.ts'
import { freePort } from '../support/free-port.ts'
import { leftOut } from '../support/left-out.ts'
import { composeAvailable, dockerWith, engineAvailable } from './engine.ts'

const FILE = fileURLToPath(new URL('../../docker/compose.yaml', import.meta.url))
const PROJECT = 'pgha-test-compose'
const PROFILES = ['three', 'witness', 'nginx', 'tools', 'monitoring'].flatMap((profile) => ['--profile', profile])

/** What the application's page is made of, as far as it is looked at here. */
interface History {
  readonly writtenBy: Readonly<Record<string, number>>
  readonly errors: readonly { readonly error: string; readonly inTransaction: boolean }[]
}

async function compose(environment: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<string> {
  return await dockerWith(environment, 'compose', '--project-name', PROJECT, '--file', FILE, ...args)
}

async function removeProject(): Promise<void> {
  await compose({}, ...PROFILES, 'down', '--volumes', '--remove-orphans', '--timeout', '5')
}

afterEach(removeProject)

const available = engineAvailable() === true ? composeAvailable() : engineAvailable()

describe.skipIf(leftOut('the compose project', available))('docker compose', () => {
  it('starts a healthy stack, whose application survives a kill, and the old primary rejoins when told to', async () => {
    await removeProject()
    const [primary, standby, admin, laravel] = await Promise.all([freePort(), freePort(), freePort(), freePort()])
    const ports = {
      PRIMARY_PORT: String(primary),
      STANDBY_PORT: String(standby),
      ADMIN_PORT: String(admin),
      LARAVEL_PORT: String(laravel),
    }
    const startedAt = performance.now()
    await compose(ports, 'up', '--detach', '--wait', '--wait-timeout', '120')
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    process.stderr.write(`docker compose up --wait: ${seconds} s\n`)
    const seed = await compose(ports, 'run', '--rm', 'seed')
    expect(seed).toMatch(/\b500 \| pg-0\b/)

    await compose(ports, 'kill', 'pg-0')
    await waitForWrites('pg-1')
    await compose({ ...ports, REPMGR_AUTO_REJOIN: 'yes' }, 'up', '--detach', '--wait', 'pg-0')
    const status = await waitFor('pg-0 to be a standby', proxyStatus, {
      until: (seen) => /pg-0 .* standby /.test(seen),
      timeoutMs: 30_000,
    })
    expect(status).toMatch(/^serving {2}pg-1 is primary on timeline 2/)

    const page = await (await fetch(`http://127.0.0.1:${laravel}/`)).text()
    expect(page).toContain('pg-1')
    const { errors } = await history()
    expect(errors.filter(({ inTransaction }) => !inTransaction)).toEqual([])

    async function history(): Promise<History> {
      return (await (await fetch(`http://127.0.0.1:${laravel}/history`)).json()) as History
    }
    async function waitForWrites(server: string): Promise<void> {
      await waitFor(`invoices on ${server}`, history, {
        until: (seen) => (seen.writtenBy[server] ?? 0) >= 5,
        timeoutMs: 30_000,
      })
    }
    async function proxyStatus(): Promise<string> {
      return await compose(ports, 'exec', '--no-TTY', 'reverse-proxy', 'pgha-proxy', 'status')
    }
  })
})
