import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { writeProxyConfig } from './proxy-config.ts'

describe('writeProxyConfig', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pgha-config-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('names the nodes and the monitoring role of the cluster, and merges what the test overrides', async () => {
    const cluster = {
      nodes: [{ name: 'node1', host: '127.0.0.1', port: 15432 }],
      monitor: { user: 'pgha', password: 'secret', database: 'repmgr' },
    }
    const config = await writeProxyConfig(folder, cluster, { monitor: { interval: '1s' }, workers: 2 })
    expect(parse(readFileSync(config.file, 'utf8'))).toMatchObject({
      nodes: [{ name: 'node1', address: '127.0.0.1:15432' }],
      monitor: { user: 'pgha', password: 'secret', database: 'repmgr', interval: '1s' },
      workers: 2,
      listeners: [{ route: 'primary', address: `127.0.0.1:${config.primaryPort}` }, { route: 'standby' }],
    })
  })
})
