import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from './condition.ts'
import { leftOut } from './left-out.ts'
import { findBinaries } from './postgres-binaries.ts'
import { PostgresServer } from './postgres-server.ts'
import { withClient } from './sql.ts'

for (const kind of ['system', 'npm'] as const) {
  const binaries = findBinaries(kind)
  describe.skipIf(leftOut(`servers of ${kind} binaries`, 'missing' in binaries ? binaries.missing : true))(
    `a server of ${kind} binaries`,
    () => {
      if ('missing' in binaries) return
      let server: PostgresServer

      beforeEach(async () => {
        server = await PostgresServer.create({ binaries })
        await server.start()
      })
      afterEach(async () => {
        await server.destroy()
        expect(server.isRunning).toBe(false)
        expect(existsSync(server.folder)).toBe(false)
      })

      it('comes back with its data after all its processes are killed', async () => {
        await server.query('CREATE TABLE kept AS SELECT 42 AS answer; CHECKPOINT')
        await server.kill()
        expect(server.isRunning).toBe(false)
        await expect(server.query('SELECT 1')).rejects.toThrow('ECONNREFUSED')
        await server.start()
        expect(await server.value('SELECT answer FROM kept')).toBe(42)
      })

      it('accepts connections and says nothing while frozen, and goes on when thawed', async () => {
        await server.freeze()
        await expect(server.query('SELECT 1', { timeoutMs: 200 })).rejects.toThrow('no answer')
        server.thaw()
        expect(await server.value('SELECT 1')).toBe(1)
      })

      it('serves its sessions but no new ones while only the postmaster is frozen', async () => {
        await withClient(server, {}, async (session) => {
          await server.freezePostmasterOnly()
          await expect(server.query('SELECT 1', { timeoutMs: 200 })).rejects.toThrow('no answer')
          expect((await session.query('SELECT 2 AS two')).rows).toEqual([{ two: 2 }])
          server.thaw()
        })
      })

      it('keeps a busy session when only the postmaster is killed, and starts again when that has ended', async () => {
        await server.query('CREATE TABLE beats (at timestamptz)')
        const endless = 'DO $$ BEGIN LOOP INSERT INTO beats VALUES (clock_timestamp()); COMMIT; END LOOP; END $$'
        const busy = server.query(endless, { timeoutMs: 30_000 }).catch((error: Error) => error)
        await server.waitFor('SELECT count(*) > 10 FROM beats')
        await server.killPostmasterOnly()
        await waitFor('the idle children to leave', () => server.orphans.length === 1)
        await expect(server.start({ timeoutMs: 300 })).rejects.toThrow('processes to be gone')

        const [orphan] = server.orphans
        if (orphan === undefined) throw new Error('the busy session has gone')
        process.kill(orphan, 'SIGKILL')
        expect(await busy).toBeInstanceOf(Error)
        await server.start()
        expect(Number(await server.value('SELECT count(*) FROM beats'))).toBeGreaterThan(10)
      })

      it('stops in each of the three ways', async () => {
        for (const mode of ['smart', 'fast', 'immediate'] as const) {
          await server.stop(mode)
          expect(server.isRunning).toBe(false)
          await server.start()
        }
      })

      it('takes changed settings at the next start', async () => {
        server.configure({ max_connections: 77 })
        await server.restart()
        expect(await server.value('SHOW max_connections')).toBe('77')
      })

      it('tells why it does not start', async () => {
        await server.stop()
        server.configure({ no_such_setting: 'x' })
        await expect(server.start()).rejects.toThrow('unrecognized configuration parameter "no_such_setting"')
      })

      it('of a fresh initdb has a system identifier of its own', async () => {
        const foreign = await PostgresServer.create({ binaries, name: 'foreign', freshInitdb: true })
        try {
          await foreign.start()
          const sql = 'SELECT system_identifier FROM pg_control_system()'
          expect(await foreign.value(sql)).not.toBe(await server.value(sql))
        } finally {
          await foreign.destroy()
        }
      })
    },
  )
}
