/** The commands for operators against a running proxy in front of real servers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { waitFor } from '../support/condition.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess, runProxyCommand } from '../support/proxy-process.ts'
import { querySql } from '../support/sql.ts'
import { fakeTerminal } from './fake-terminal.ts'

let folder: string
let cluster: PostgresCluster
let config: ProxyConfig
let proxy: ProxyProcess

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-orders-'))
  cluster = await createCluster({ nodes: 2, repmgrTables: true })
  config = await writeProxyConfig(folder, cluster)
  proxy = new ProxyProcess(config)
  await proxy.waitUntilReady()
})
afterEach(async () => {
  await proxy.destroy()
  await cluster.destroy()
  rmSync(folder, { recursive: true })
})

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = fakeTerminal()
  const code = await main([...args, '--config', config.file], terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() }
}

/** Asks through the proxy, on a new session, who answers. */
async function portBehindProxy(timeoutMs = 10_000): Promise<unknown> {
  const [row] = await querySql({ host: '127.0.0.1', port: config.primaryPort }, 'SELECT inet_server_port() AS port', {
    timeoutMs,
  })
  return row?.['port']
}

describe('the commands for operators', () => {
  it('show the running proxy, in a process of their own as anywhere', async () => {
    const shown = await runProxyCommand(['status', '--explain', '--config', config.file])
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(shown.stdout).toMatch(/^serving {2}node1 is primary on timeline 1\n/)
    expect(shown.stdout).toMatch(/^node2 +\S+ +standby +1 +yes +\S+ \S*B +0 +\S+ \S+ ago/m)
    expect(shown.stdout).toContain(`streams from 127.0.0.1:${cluster.node('node1').port}`)
    const asJson = await runProxyCommand(['status', '--url', config.adminUrl, '--json'])
    expect(JSON.parse(asJson.stdout)).toMatchObject({ state: 'serving', primary: 'node1', timelineId: 1 })
  })

  it('fence the primary: its sessions end, new ones wait, and go on when the fence is gone', async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: config.primaryPort,
      user: 'postgres',
      database: 'postgres',
      password: '',
    })
    const ended = new Promise<pg.DatabaseError>((resolve) =>
      client.on('error', (error) => resolve(error as pg.DatabaseError)),
    )
    await client.connect()
    try {
      expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
      const fenced = await run('fence', 'node1')
      expect(fenced).toEqual({
        code: 0,
        stdout:
          'node1 is fenced: no session goes there until it is unfenced\n' +
          'no-primary  node1, primary on timeline 1, is fenced by an operator\n',
        stderr: '',
      })
      expect(await ended).toMatchObject({ code: '57P01', severity: 'FATAL' })
    } finally {
      await client.end().catch(() => {})
    }
    expect((await run('status')).code).toBe(3)

    const held = portBehindProxy(20_000)
    await waitFor('the session to be held', async () => / 1 held/.test((await run('status')).stdout))
    expect(await run('unfence', 'node1')).toMatchObject({
      code: 0,
      stdout: 'node1 is not fenced any more\nserving  node1 is primary on timeline 1\n',
    })
    expect(await held).toBe(cluster.node('node1').port)
    expect((await run('status')).code).toBe(0)
  })

  it('accept a node that the proxy would never have gone back to', async () => {
    const node1 = cluster.node('node1')
    const node2 = cluster.node('node2')
    await node1.kill()
    await node2.promote()
    await waitFor('node2 to be served', async () => (await run('status')).stdout.startsWith('serving  node2'))
    await node2.kill()
    await node1.start()
    await waitFor('node1 to be seen as stale', async () =>
      /^node1 .* stale-primary /m.test((await run('status')).stdout),
    )
    const waiting = await run('status', '--explain')
    expect(waiting.code).toBe(3)
    expect(waiting.stdout).toContain('pgha-proxy accept node1')

    expect(await run('accept', 'node1')).toMatchObject({
      code: 0,
      stdout: 'node1 is accepted as primary on timeline 1\nserving  node1 is primary on timeline 1\n',
    })
    expect(await portBehindProxy()).toBe(node1.port)
  })

  it('say what the proxy refuses, and why', async () => {
    expect(await run('accept', 'node2')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^pgha-proxy: accept was refused: node2 is a standby: promote it first\n {2}promote it /,
      ),
    })
    expect((await run('fence', 'node3')).stderr).toContain('the nodes are node1, node2\n  name one of these')
    expect((await run('unfence', 'node1')).stderr).toContain('node1 is not fenced\n')
  })
})
