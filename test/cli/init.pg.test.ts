import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { mustLoad } from '../support/config-text.ts'
import { createCluster, type PostgresCluster } from '../support/postgres-cluster.ts'
import { MONITOR_LOGIN } from '../support/roles.ts'
import { fakeTerminal } from './fake-terminal.ts'

const { user, password } = MONITOR_LOGIN

let cluster: PostgresCluster
let folder: string
beforeAll(async () => {
  cluster = await createCluster({ nodes: 2, repmgrTables: true })
  const rows = await cluster.repmgrRows(cluster.node('node1'))
  await cluster.setRepmgrRows(cluster.node('node1'), [
    ...rows,
    {
      nodeId: 3,
      upstreamNodeId: 1,
      active: true,
      nodeName: 'node3',
      type: 'witness',
      conninfo: 'host=pg-witness user=repmgr',
    },
    { nodeId: 4, upstreamNodeId: 1, active: true, nodeName: 'node4', type: 'standby', conninfo: 'service=somewhere' },
  ])
  await cluster.waitForReplay(cluster.node('node1'))
})
afterAll(() => cluster.destroy())
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-init-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

async function init(args: readonly string[], environment: Record<string, string> = {}) {
  const terminal = fakeTerminal({ environment: { HOME: folder, ...environment } })
  const code = await main(['init', ...args], terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() }
}

/** In libpq's words; the standby knows the same rows. */
function conninfo(more = `password=${password}`): string {
  const { host, port } = cluster.node('node2')
  return `host=${host} port=${port} user=${user} ${more}`
}

describe('init from a node', () => {
  it('writes the nodes of repmgr.nodes, the witness too, and says whom it left out', async () => {
    const { code, stdout, stderr } = await init(['--conninfo', conninfo()])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const config = mustLoad(stdout)
    expect(config.nodes).toEqual([
      ...cluster.nodes.map(({ name, host, port }) => ({ name, address: { host, port } })),
      { name: 'node3', address: { host: 'pg-witness', port: 5432 } },
    ])
    expect(config.monitor).toMatchObject({ user, database: 'repmgr', password: null })
    expect(stdout).toContain('# node3: a witness. It is asked for its evidence, and never gets a session.\n')
    expect(stdout).toContain('# Left out, because their conninfo names no host: node4.\n')
    expect(stdout).not.toContain(password)
  })

  it('takes a URI, and the password from the environment', async () => {
    const { host, port } = cluster.node('node1')
    const uri = `postgresql://${user}@${host}:${port}/repmgr?sslmode=disable`
    const { code, stdout } = await init(['--conninfo', uri], { PGPASSWORD: password })
    expect(code).toBe(0)
    expect(mustLoad(stdout).nodes).toHaveLength(3)
  })

  it('writes a new file that check can use, and never replaces one', async () => {
    const file = join(folder, 'ha.yaml')
    const first = await init(['--conninfo', conninfo(), '--output', file])
    expect(first).toEqual({
      code: 0,
      stdout: '',
      stderr: `${file} is written. Next: pgha-proxy check --config ${file}\n`,
    })
    expect(statSync(file).mode & 0o137).toBe(0)

    const terminal = fakeTerminal({ environment: { HOME: folder, PGPASSWORD: password } })
    expect(await main(['check', '--config', file], terminal)).toBe(0)
    expect(terminal.stdout()).toContain('serving  node1 is primary on timeline 1')

    const before = readFileSync(file, 'utf8')
    const second = await init(['--conninfo', conninfo(), '--output', file])
    expect(second).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('is there already, and init replaces nothing'),
    })
    expect(readFileSync(file, 'utf8')).toBe(before)
  })

  it("puts nginx's listeners before repmgr's nodes when given both", async () => {
    const nginx = join(folder, 'pg.conf')
    writeFileSync(nginx, 'upstream pg { server 10.0.0.1; server 10.0.0.2; } server { listen 6543; proxy_pass pg; }')
    const { code, stdout } = await init(['--conninfo', conninfo(), '--from-nginx', nginx])
    expect(code).toBe(0)
    const config = mustLoad(stdout)
    expect(config.listeners.map(({ address }) => address)).toEqual([{ kind: 'tcp', host: '0.0.0.0', port: 6543 }])
    expect(config.nodes.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3'])
  })

  it.each([
    [
      'a wrong password',
      'password=wrong',
      '28P01: password authentication failed',
      'the password comes from it, from PGPASSWORD or from ~/.pgpass',
    ],
    ['no password at all', '', 'the server asks for a password', 'from PGPASSWORD or from ~/.pgpass'],
    [
      'another database',
      `password=${password} dbname=postgres`,
      'there is no table repmgr.nodes in database postgres',
      'name the database of repmgr',
    ],
    ['no such database', `password=${password} dbname=nowhere`, '3D000', 'correct --conninfo'],
  ])('says what to do about %s', async (_what, more, problem, remedy) => {
    const { code, stdout, stderr } = await init(['--conninfo', conninfo(more)])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const [first, second] = stderr.split('\n')
    expect(first).toContain(problem)
    expect(second).toContain(remedy)
    expect(stderr).not.toContain('wrong')
  })

  it('prints the GRANTs that a role lacks to read the nodes', async () => {
    const node1 = cluster.node('node1')
    await node1.query("CREATE ROLE newcomer LOGIN PASSWORD 'n'")
    await cluster.waitForReplay(node1)
    const { host, port } = node1
    const { code, stderr } = await init(['--conninfo', `host=${host} port=${port} user=newcomer password=n`])
    expect(code).toBe(1)
    const statements = [...stderr.matchAll(/^ +(GRANT .*;)$/gm)].map(([, statement = '']) => statement)
    for (const statement of statements) await node1.query(statement, { database: 'repmgr' })
    expect(await init(['--conninfo', `host=${host} port=${port} user=newcomer password=n`])).toMatchObject({
      code: 0,
      stderr: '',
    })
  })
})
