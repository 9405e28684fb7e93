/**
 * P5, Unix sockets on both sides: psql comes by one as it does to PostgreSQL, and the proxy reaches a node by one.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { programsAvailable, runProgram } from './programs.ts'
import { ProxyScene, tellOnFailure } from './scene.ts'

let cluster: PostgresCluster
let scene: ProxyScene
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-unix-'))
  cluster = await createCluster({ nodes: 1, repmgrTables: false, application: true })
  const node = cluster.nodes[0]
  if (node === undefined) throw new Error('there is no node')
  scene = await ProxyScene.inFrontOf(cluster, {
    listeners: [
      { address: `unix:${join(folder, '.s.PGSQL.5432')}` },
      { address: `unix:${join(folder, '.s.PGSQL.5433')}`, socket_mode: '0700' },
    ],
    nodes: [{ name: 'node1', address: `${node.folder}:${node.port}` }],
    limits: { max_sessions_per_address: 1 },
  })
})

beforeEach(() => tellOnFailure(() => scene))

afterAll(async () => {
  await scene.close()
  await cluster.destroy()
  rmSync(folder, { recursive: true, force: true })
})

const modeOf = (port: number): string =>
  (statSync(join(folder, `.s.PGSQL.${port}`)).mode & 0o777).toString(8).padStart(4, '0')

describe.skipIf(leftOut('psql over Unix sockets', programsAvailable('psql')))('psql over a Unix socket', () => {
  it.each([5432, 5433])('gets to a node that is reached over one (%i)', async (port) => {
    const since = scene.proxy.log.length
    const target = { host: folder, port }
    const { code, stdout, stderr } = await runProgram('psql', ['-XAtc', 'SELECT inet_server_addr() IS NULL'], {
      target,
    })
    expect([code, stdout, stderr]).toEqual([0, 't\n', ''])
    const isEnd = (record: Readonly<Record<string, unknown>>) => record['msg'] === 'session ended'
    expect(await scene.proxy.waitForLog('its end', isEnd, { since })).toMatchObject({ client: '[local]' })
  })

  it('is not counted by address: it has none', async () => {
    const target = { host: folder, port: 5432 }
    const ask = () => runProgram('psql', ['-XAtc', 'SELECT pg_sleep(0.3)'], { target })
    const results = await Promise.all([ask(), ask(), ask()])
    expect(results.map(({ code, stderr }) => [code, stderr])).toEqual([
      [0, ''],
      [0, ''],
      [0, ''],
    ])
  })
})

describe('the file of a Unix socket', () => {
  it('lets everybody connect, as PostgreSQL does, unless it is told otherwise', () => {
    expect([modeOf(5432), modeOf(5433)]).toEqual(['0777', '0700'])
  })

  it('gets other permissions by a reload', async () => {
    const since = scene.proxy.log.length
    const text = readFileSync(scene.config.file, 'utf8')
    writeFileSync(scene.config.file, text.replace(/socket_mode: .*/, 'socket_mode: "0750"'))
    scene.proxy.signal('SIGHUP')
    await scene.proxy.waitForLog('the reload', ({ msg }) => msg === 'configuration reloaded', { since })
    expect([modeOf(5432), modeOf(5433)]).toEqual(['0777', '0750'])
  })

  it('is gone when the proxy has stopped', async () => {
    expect((await scene.proxy.stop()).code).toBe(0)
    expect(() => statSync(join(folder, '.s.PGSQL.5432'))).toThrow('ENOENT')
  })
})
