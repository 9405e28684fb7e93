import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { AdminServer } from '../../src/admin/admin-server.ts'
import { realClock } from '../probe/real-clock.ts'
import { closeAfterEach, idleActions, startAdmin, TOKEN_HEADER } from './admin-rig.ts'

closeAfterEach()

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-admin-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'admin.sock')
}

describe('AdminServer', () => {
  it('closes connections that are open, and can be closed twice', async () => {
    const { server, ask } = await startAdmin()
    await ask('GET', '/livez')
    await server.close()
    await server.close()

    await expect(ask('GET', '/livez')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('rejects with the error of the system when its address is taken', async () => {
    const { port } = await startAdmin()
    const second = new AdminServer({
      address: { kind: 'tcp', host: '127.0.0.1', port },
      socketMode: 0o600,
      hosts: [],
      token: null,
      clock: realClock,
      actions: idleActions(),
      onOrder: () => undefined,
      onNotified: () => undefined,
      onRefused: () => undefined,
      onDefect: () => undefined,
    })

    await expect(second.open()).rejects.toThrow(/EADDRINUSE/)
  })

  it('answers to the names that are configured now', async () => {
    const { ask, server } = await startAdmin()
    const headers = { host: 'pgha.example' }
    expect((await ask('GET', '/livez', { headers })).status).toBe(403)
    server.configure({ hosts: ['pgha.example'], token: null })
    expect((await ask('GET', '/livez', { headers })).status).toBe(200)
  })
})

describe('on a Unix socket', () => {
  it.each([0o600, 0o660, 0o666])('has the permissions that were asked for (%o)', async (socketMode) => {
    const path = socketPath()
    const { server, ask } = await startAdmin({ address: { kind: 'unix', path }, socketMode })

    expect(statSync(path).mode & 0o777).toBe(socketMode)
    expect(server.address).toBe(`unix:${path}`)
    expect((await ask('GET', '/livez')).status).toBe(200)
  })

  it('answers under any host name, but to no page', async () => {
    const { ask } = await startAdmin({ address: { kind: 'unix', path: socketPath() } })
    expect((await ask('GET', '/livez', { headers: { host: 'whatever.example' } })).status).toBe(200)
    expect((await ask('GET', '/livez', { headers: { origin: 'http://localhost' } })).status).toBe(403)
  })

  it('takes orders, with the token', async () => {
    const { ask, orders } = await startAdmin({ address: { kind: 'unix', path: socketPath() } })
    expect((await ask('POST', '/api/drain', { headers: TOKEN_HEADER })).status).toBe(200)
    expect((await ask('POST', '/api/drain')).status).toBe(401)
    expect(orders).toMatchObject([{ client: '[local]' }])
  })

  it('replaces what a killed process has left behind, and removes its own file at the end', async () => {
    const path = socketPath()
    const holder = createServer()
    await new Promise<void>((resolve) => holder.listen({ path }, resolve))
    await expect(startAdmin({ address: { kind: 'unix', path } })).rejects.toThrow(/EADDRINUSE/)
    await new Promise((resolve) => holder.close(resolve))

    const { server } = await startAdmin({ address: { kind: 'unix', path } })
    await server.close()
    expect(existsSync(path)).toBe(false)
  })
})
