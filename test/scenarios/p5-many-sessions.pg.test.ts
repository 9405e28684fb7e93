/**
 * P5 and P7, short sessions by the ten thousand: each is served, and they leave nothing behind, no session, no file
 * descriptor, no memory.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFailed } from 'vitest'
import { type FakePostgres, LOGGED_IN, servePrimary, startFakePostgres } from '../probe/fake-postgres.ts'
import { message } from '../protocol/wire-bytes.ts'
import { waitFor } from '../support/condition.ts'
import { leftOut } from '../support/left-out.ts'
import { writeProxyConfig } from '../support/proxy-config.ts'
import { ProxyProcess } from '../support/proxy-process.ts'
import { MONITOR_LOGIN } from '../support/roles.ts'
import { residentMiB } from './process-memory.ts'
import { programsAvailable, runProgram } from './programs.ts'
import { startupMessage } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import type { Target } from './writers.ts'

/** `PGHA_TEST_SESSIONS=100000`: as many as one likes to wait for. */
const SESSIONS = Number(process.env['PGHA_TEST_SESSIONS'] ?? 20_000)
const AT_ONCE = 32
/** Of real servers, which fork for each. */
const REAL = { clients: 10, each: 100 }

/**
 * V8 takes what it is given: left alone its heap grows for minutes, leak or not. With little room what stays is what is
 * held, and 16 MiB are less than 1 KiB for each session.
 */
const SMALL_HEAP = ['--max-old-space-size=40', '--max-semi-space-size=4']
const GROWTH_MIB_MAX = 16

/** The fake server has no TLS to ask for; and a line for each session would fill this process's memory, not the proxy's. */
const QUIET = { monitor: { sslmode: 'disable' }, log: { level: 'info' } }

const onLinux = process.platform === 'linux' || 'only Linux tells descriptors and memory in /proc'

describe.skipIf(leftOut('what short sessions leave behind', onLinux))('short sessions', () => {
  it.skipIf(leftOut('pgbench', programsAvailable('pgbench')))('are served by a real server, and over', async () => {
    const scene = await Scene.open({
      nodes: 1,
      repmgrTables: false,
      passwords: false,
      settings: { log_connections: false },
    })
    try {
      tellOnFailure(() => scene)
      const filesBefore = openFiles(scene.proxy.pid)
      const script = join(scene.folder, 'one.sql')
      writeFileSync(script, 'SELECT 1;\n')
      const args = ['-n', '-C', '-f', script, '-c', String(REAL.clients), '-t', String(REAL.each)]
      const { code, stdout, stderr } = await runProgram('pgbench', args, { target: scene.target })
      expect(code, stderr).toBe(0)
      const wanted = REAL.clients * REAL.each
      expect(stdout).toContain(`number of transactions actually processed: ${wanted}/${wanted}`)
      const { sessions } = await scene.waitForStatus('no session', (status) => status.sessions.active === 0)
      // One more is pgbench's own look at the database.
      expect(sessions.accepted).toBe(wanted + 1)
      expect(sessions.ended).toMatchObject({ finished: wanted + 1 })
      await waitFor('the descriptors', () => openFiles(scene.proxy.pid), { until: (count) => count <= filesBefore })
    } finally {
      await scene.close()
    }
  })

  describe('of a server that costs nothing', () => {
    let server: FakePostgres
    let proxy: ProxyProcess
    let folder: string
    let target: Target

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'pgha-many-'))
      const probed = servePrimary()
      server = await startFakePostgres((socket, startup, number) => {
        if (startup.includes(MONITOR_LOGIN.user)) return probed(socket, startup, number)
        socket.write(LOGGED_IN)
      })
      const nodes = [{ name: 'node1', host: '127.0.0.1', port: server.port }]
      const config = await writeProxyConfig(folder, { nodes, monitor: MONITOR_LOGIN }, QUIET)
      target = { host: '127.0.0.1', port: config.primaryPort }
      proxy = new ProxyProcess(config, { nodeArgs: SMALL_HEAP })
      onTestFailed(() => void process.stderr.write(`${proxy.tail(30)}\n`))
      await proxy.waitUntilReady()
    })

    afterEach(async () => {
      await proxy.destroy()
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    })

    it(`leave nothing behind, ${SESSIONS} of them`, { timeout: 300_000 }, async () => {
      const login = startupMessage({ user: 'app', database: 'shop' })
      const goodbye = message('X')
      const one = () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect(target)
          let byteCount = 0
          socket.on('data', (piece) => {
            byteCount += piece.length
            if (byteCount === LOGGED_IN.length) socket.end(goodbye)
          })
          socket.on('error', reject)
          socket.on('close', () =>
            byteCount === LOGGED_IN.length ? resolve() : reject(new Error(`${byteCount} bytes`)),
          )
          socket.write(login)
        })
      let started = 0
      const run = async (until: number): Promise<void> => {
        const worker = async () => {
          while (started < until) {
            started += 1
            await one()
          }
        }
        await Promise.all(Array.from({ length: AT_ONCE }, worker))
      }
      const filesBefore = openFiles(proxy.pid)
      await run(SESSIONS / 5)
      const before = residentMiB(proxy.pid)
      await run(SESSIONS)
      expect(residentMiB(proxy.pid) - before).toBeLessThan(GROWTH_MIB_MAX)
      const sessions = async () => (await proxy.status())['sessions']
      await waitFor('no session', sessions, { until: (seen) => (seen as { active: number }).active === 0 })
      expect(await sessions()).toMatchObject({ accepted: SESSIONS, held: 0, ended: { finished: SESSIONS } })
      await waitFor('the descriptors', () => openFiles(proxy.pid), { until: (count) => count <= filesBefore })
      // Only the monitoring session is left at the server.
      await waitFor('the connections of the server', () => server.openCount(), { until: (count) => count === 1 })
    })
  })
})

function openFiles(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length
}
