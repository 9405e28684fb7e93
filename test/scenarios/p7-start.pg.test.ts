/**
 * P7, a proxy that cannot work, or not fully: it says what is wrong and what to do, and ends only when it must.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../support/free-port.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { ProxyScene, tellOnFailure } from './scene.ts'
import { Writer } from './writers.ts'

let cluster: PostgresCluster
let folder: string
let config: ProxyConfig
let proxy: ProxyProcess | undefined
let scene: ProxyScene | undefined

beforeAll(async () => {
  cluster = await createCluster({ nodes: 2, repmgrTables: true, application: true })
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-start-'))
  config = await writeProxyConfig(folder, cluster)
})

afterEach(async () => {
  await proxy?.destroy()
  await scene?.close()
  rmSync(folder, { recursive: true, force: true })
})

afterAll(async () => {
  await cluster.destroy()
})

describe('a proxy that cannot start', () => {
  it('names all faults of its configuration at once, each with its line, and exits with 2', async () => {
    const text = readFileSync(config.file, 'utf8')
    writeFileSync(config.file, `${text}hold: { timeout: soon, max_sesions: 3 }\nlimits: { connect_timeout: 2 }\n`)
    proxy = new ProxyProcess(config)
    expect(await proxy.exited).toEqual({ code: 2, signal: null })
    const line = text.split('\n').length
    expect(proxy.otherOutput).toContain(`ha.yaml:${line}: hold.timeout`)
    expect(proxy.otherOutput).toMatch(new RegExp(`ha\\.yaml:${line}: hold\\.max_sesions.*\\n?.*max_sessions`))
    expect(proxy.otherOutput).toContain(`ha.yaml:${line + 1}: limits.connect_timeout`)
    expect(proxy.log).toEqual([])
  })

  it('says which port is taken and exits with 1', async () => {
    const other = await listenOn(config.primaryPort)
    try {
      proxy = new ProxyProcess(config)
      expect(await proxy.exited).toEqual({ code: 1, signal: null })
    } finally {
      other.close()
    }
    expect(proxy.log.at(-1)).toMatchObject({
      level: 'fatal',
      msg: 'cannot start',
      problem: expect.stringContaining(`127.0.0.1:${config.primaryPort}`),
      hint: expect.stringContaining('another program listens there'),
    })
    expect(proxy.otherOutput).toContain('EADDRINUSE')
  })

  it('says that its state cannot be kept and exits with 1, before it listens', async () => {
    // A file in place of the directory: root may write everywhere else.
    rmSync(config.stateDirectory, { recursive: true })
    writeFileSync(config.stateDirectory, '')
    proxy = new ProxyProcess(config)
    expect(await proxy.exited).toEqual({ code: 1, signal: null })
    expect(proxy.log.at(-1)).toMatchObject({
      level: 'fatal',
      problem: expect.stringContaining('state.json cannot be written'),
      hint: expect.stringContaining('state_dir'),
    })
    expect(proxy.log.filter(({ msg }) => msg === 'listening')).toEqual([])
  })
})

describe('a proxy that cannot see everything', () => {
  it('serves without the GRANT on repmgr.nodes, and warns of it', async () => {
    const node1 = cluster.node('node1')
    await node1.query('REVOKE USAGE ON SCHEMA repmgr FROM pgha', { database: 'repmgr' })
    try {
      scene = await ProxyScene.inFrontOf(cluster)
      tellOnFailure(() => scene)
      const writer = new Writer(scene.target, { style: 'long', name: 'ungranted' })
      await writer.waitForMore(3).finally(() => writer.stop())
      const { warnings } = await scene.waitForStatus('the warning', ({ warnings }) => warnings.length > 0)
      expect(warnings.join()).toMatch(
        /node1 does not let the monitoring role read repmgr\.nodes: .*GRANT USAGE ON SCHEMA/,
      )
      expect(writer.errors).toEqual([])
    } finally {
      await node1.query('GRANT USAGE ON SCHEMA repmgr TO pgha', { database: 'repmgr' })
    }
  })

  it('serves though a node cannot be reached, and warns of it', async () => {
    const nowhere = { name: 'node3', host: '127.0.0.1', port: await freePort() }
    scene = await ProxyScene.inFrontOf({ nodes: [...cluster.nodes, nowhere], monitor: cluster.monitor })
    tellOnFailure(() => scene)
    const writer = new Writer(scene.target, { style: 'fresh', name: 'two-of-three' })
    await writer.waitForMore(3).finally(() => writer.stop())
    expect(writer.errors).toEqual([])
    expect((await scene.status()).warnings).toContain('node3 refuses connections')
    expect((await scene.status()).nodes.find(({ name }) => name === 'node3')).toMatchObject({ role: 'unreachable' })
  })

  it('holds and says what is missing when the monitoring password is wrong', async () => {
    scene = undefined
    mkdirSync(join(folder, 'wrong'))
    const wrong = await writeProxyConfig(join(folder, 'wrong'), cluster, { monitor: { password: 'no-such-word' } })
    proxy = new ProxyProcess(wrong)
    const record = await proxy.waitForLog('the failure', ({ msg, node }) => msg === 'probe failed' && node === 'node1')
    expect(record).toMatchObject({ failure: 'auth', detail: expect.stringContaining('28P01') })
    await proxy.waitForLog(
      'a decision',
      ({ msg, reason }) => msg === 'decision' && String(reason).includes('cannot be observed'),
    )
    expect((await proxy.get('/readyz')).status).toBe(503)
    expect(JSON.stringify(proxy.log) + proxy.otherOutput).not.toContain('no-such-word')
  })
})

async function listenOn(port: number): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return server
}
