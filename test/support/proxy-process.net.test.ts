import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isAlive } from './process-tree.ts'
import { type ProxyConfig, writeProxyConfig } from './proxy-config.ts'
import { ProxyProcess } from './proxy-process.ts'

/** Stands for the proxy, so that this tests the helper and not the proxy. */
const STAND_IN = `
  import { createServer } from 'node:http'
  const port = Number(new URL(process.env.ADMIN_URL).port)
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ method: request.method, token: request.headers.authorization ?? null }))
  })
  server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ level: 30, msg: 'listening' })))
  process.on('SIGTERM', () => { console.log('bye'); process.exit(7) })
`

describe('ProxyProcess', () => {
  let folder: string
  let config: ProxyConfig
  let proxy: ProxyProcess

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-proxy-'))
    const monitor = { user: 'pgha', password: '', database: 'postgres' }
    config = await writeProxyConfig(folder, { nodes: [], monitor })
  })
  afterEach(async () => {
    await proxy.destroy()
    expect(proxy.pid !== undefined && isAlive(proxy.pid)).toBe(false)
    rmSync(folder, { recursive: true, force: true })
  })

  function start(source: string): ProxyProcess {
    const bin = join(folder, 'bin.mjs')
    writeFileSync(bin, source)
    proxy = new ProxyProcess(config, { bin, env: { ADMIN_URL: config.adminUrl } })
    return proxy
  }

  it('reads the log, asks the admin server, and tells how the process ended', async () => {
    start(STAND_IN)
    expect((await proxy.waitForLog('that it listens', (record) => record.msg === 'listening')).level).toBe(30)
    await proxy.waitUntilReady()
    expect(await proxy.status()).toEqual({ method: 'GET', token: null })
    expect(await (await proxy.post('/api/probe')).json()).toEqual({
      method: 'POST',
      token: `Bearer ${config.adminToken}`,
    })
    expect(await proxy.stop()).toEqual({ code: 7, signal: null })
    expect(proxy.otherOutput).toBe('bye')
  })

  it('says what a process that died too early wrote last', async () => {
    start('console.error("no such file: ha.yaml"); process.exit(2)')
    await expect(proxy.waitUntilReady()).rejects.toThrow('no such file: ha.yaml')
    await expect(proxy.waitForLog('anything', () => true)).rejects.toThrow('ended before it logged anything')
    expect(await proxy.exited).toEqual({ code: 2, signal: null })
  })
})
