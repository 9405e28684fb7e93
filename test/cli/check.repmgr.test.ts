import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { leftOut } from '../support/left-out.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { repmgrAvailable } from '../support/repmgr-binaries.ts'
import { createRepmgrCluster, type RepmgrCluster } from '../support/repmgr-cluster.ts'
import { fakeTerminal } from './fake-terminal.ts'

describe.skipIf(leftOut('check and init with repmgr and a witness', repmgrAvailable()))(
  'a cluster of the real repmgr',
  () => {
    let cluster: RepmgrCluster
    let folder: string
    beforeAll(async () => {
      cluster = await createRepmgrCluster({ nodes: 2, witness: true, daemons: false })
      folder = mkdtempSync(join(tmpdir(), 'pgha-check-'))
    })
    afterAll(async () => {
      await cluster.destroy()
      rmSync(folder, { recursive: true })
    })

    async function run(...args: string[]) {
      const { password } = cluster.monitor
      const terminal = fakeTerminal({ environment: { HOME: folder, MONITOR_PASSWORD: password, PGPASSWORD: password } })
      const code = await main(args, terminal)
      return { code, stdout: terminal.stdout(), stderr: terminal.stderr() }
    }

    /** Only the first node is in it: the others are to be discovered. */
    async function configFile(): Promise<string> {
      const { file } = await writeProxyConfig(
        folder,
        { nodes: cluster.nodes.slice(0, 1), monitor: cluster.monitor },
        { limits: { max_sessions: 20 }, monitor: { password: `\${MONITOR_PASSWORD}` } },
      )
      return file
    }

    it('is found sound by check, with the members that only repmgr names', async () => {
      const { code, stdout, stderr } = await run('check', '--config', await configFile())
      expect(stdout).toMatch(/^node1 +\S+ +primary +1 +no +- /m)
      expect(stdout).toMatch(/^node2 +\S+ +standby +1 +yes +\d\S* \S*B /m)
      expect(stdout).toMatch(/^witness +\S+ +witness +1 +no +- /m)
      expect(stdout).toContain('node2 and witness are not in')
      expect(stdout.endsWith('\nnothing to complain about\n')).toBe(true)
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    })

    it('has all its nodes in the file that init writes', async () => {
      const { host, port } = cluster.node('node2').server
      const { code, stdout } = await run('init', '--conninfo', `host=${host} port=${port} user=pgha`)
      expect(code).toBe(0)
      expect([...stdout.matchAll(/^ {2}- name: (.*)$/gm)].map(([, name]) => name)).toEqual([
        'node1',
        'node2',
        'witness',
      ])
      expect(stdout).toContain('# witness: a witness.')
    })

    it('gets the GRANTs of its witness told apart, and they cure it', async () => {
      const witness = cluster.node('witness').server
      await witness.query('REVOKE ALL ON ALL TABLES IN SCHEMA repmgr FROM pgha', { database: 'repmgr' })
      const file = await configFile()
      const { stdout } = await run('check', '--config', file)
      expect(stdout).toContain('run in database repmgr on witness (a witness gets none by replication):')
      const statements = [...stdout.matchAll(/^ +(GRANT .*;)$/gm)].map(([, statement = '']) => statement)
      for (const statement of statements) await witness.query(statement, { database: 'repmgr' })
      expect((await run('check', '--config', file)).stdout.endsWith('\nnothing to complain about\n')).toBe(true)
    })
  },
)
