/** An upgrade where it cannot be: the proxy as the first process of a PID namespace, as in a container. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FakePostgres, servePrimary, startFakePostgres } from '../probe/fake-postgres.ts'
import { leftOut } from '../support/left-out.ts'
import { descendantsOf, signalProcess, waitUntilGone } from '../support/process-tree.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'

const NAMESPACE = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child']

function namespacesAvailable(): true | string {
  const [program = '', ...args] = NAMESPACE
  const { status, stderr } = spawnSync(program, [...args, 'true'], { encoding: 'utf8' })
  return status === 0 || `no PID namespaces here: ${stderr}`
}

let folder: string
let primary: FakePostgres
let proxy: ProxyProcess | undefined

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-upgrade-'))
  primary = await startFakePostgres(servePrimary())
})

afterEach(async () => {
  await proxy?.destroy()
  await primary.close()
  rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(leftOut('an upgrade of process 1', namespacesAvailable()))('process 1', () => {
  it('refuses an upgrade and says what to do instead; it goes on', async () => {
    const monitor = { user: 'pgha', password: 'secret', database: 'repmgr' }
    const nodes = [{ name: 'node1', host: '127.0.0.1', port: primary.port }]
    const config = await writeProxyConfig(folder, { nodes, monitor }, { monitor: { sslmode: 'disable' } })
    proxy = new ProxyProcess(config, { launcher: NAMESPACE })
    await proxy.waitUntilReady()
    const [inside = 0] = descendantsOf(proxy.pid ?? 0)
    signalProcess(inside, 'SIGUSR2')
    const refusal = await proxy.waitForLog('the refusal', ({ msg }) => msg === 'no upgrade')
    expect(refusal).toMatchObject({ level: 'warn', problem: expect.stringMatching(/run two proxies/) })
    expect((await proxy.get('/readyz')).status).toBe(200)
    signalProcess(inside, 'SIGTERM')
    expect(await proxy.exited).toEqual({ code: 0, signal: null })
    await waitUntilGone([inside])
  })
})
