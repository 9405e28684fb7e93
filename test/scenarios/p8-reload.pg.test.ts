/**
 * P8, SIGHUP: what can change changes under running sessions, and a faulty file changes nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { freePort } from '../support/free-port.ts'
import type { LogRecord } from '../support/proxy-process.ts'
import { RawClient } from './raw-client.ts'
import { Scene, tellOnFailure } from './scene.ts'
import { Crowd } from './writers.ts'

type Document = Record<string, Record<string, unknown>> & { listeners: unknown[]; nodes: unknown[] }

let scene: Scene
let crowd: Crowd
let original: string

beforeAll(async () => {
  scene = await Scene.open({ nodes: 2 })
  original = readFileSync(scene.config.file, 'utf8')
  crowd = new Crowd(scene.target, { long: 2, fresh: 2 })
  await crowd.waitForMore(1)
})

beforeEach(() => tellOnFailure(() => scene))

afterAll(async () => {
  await crowd.stop()
  // Three or more reloads, and nobody has noticed any.
  expect(crowd.errors).toEqual([])
  expect(crowd.writers.filter((writer) => writer.sessionCount === 1)).toHaveLength(2)
  await scene.close()
})

/** Writes another file, sends SIGHUP, and gives what the proxy says to it. */
async function reload(text: string): Promise<LogRecord> {
  const since = scene.proxy.log.length
  writeFileSync(scene.config.file, text)
  scene.proxy.signal('SIGHUP')
  const answers = ['configuration reloaded', 'the new configuration is faulty', 'not reloaded']
  return await scene.proxy.waitForLog(
    'an answer',
    ({ msg }) => answers.some((start) => String(msg).startsWith(start)),
    {
      since,
    },
  )
}

async function reloadChanged(change: (document: Document) => void): Promise<LogRecord> {
  const document = parse(original) as Document
  change(document)
  return await reload(stringify(document))
}

describe('SIGHUP', () => {
  it('takes over what changed, says it, and keeps every session', async () => {
    const port = await freePort()
    const record = await reloadChanged((document) => {
      document['hold'] = { timeout: '7s' }
      document['monitor'] = { ...document['monitor'], interval: '250ms' }
      document.listeners.push({ address: `127.0.0.1:${port}`, route: 'primary' })
    })
    expect(record).toMatchObject({ level: 'info', msg: 'configuration reloaded' })
    const changed = (record['changed'] as readonly string[]).join('\n')
    expect(changed).toContain('hold.timeout: 30000 -> 7000')
    expect(changed).toContain('monitor.interval: 500 -> 250')
    expect(changed).toContain('listeners')

    const overNewListener = await RawClient.login({ host: '127.0.0.1', port })
    overNewListener.destroy()
    await crowd.waitForMore(5)

    await reload(original)
    await expect(RawClient.connect({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await crowd.waitForMore(5)
  })

  it('keeps the old configuration when the file is faulty, and names all faults', async () => {
    const record = await reloadChanged((document) => {
      document['hold'] = { timeout: 'soon' }
      document['limit'] = { max_sessions: 3 }
    })
    expect(record).toMatchObject({ level: 'error', msg: 'the new configuration is faulty: the old one stays in force' })
    const faults = (record['faults'] as readonly string[]).join('\n')
    expect(faults).toMatch(/hold\.timeout/)
    expect(faults).toMatch(/limit/)
    await crowd.waitForMore(5)
    expect(await reload(original)).toMatchObject({ msg: 'configuration reloaded: nothing changed' })
  })

  it('changes nothing when a new listener cannot be opened', async () => {
    const port = await freePort()
    const record = await reloadChanged((document) => {
      // The first can be opened; the second is an address for documentation, which nobody has.
      document.listeners.push({ address: `127.0.0.1:${port}` }, { address: `192.0.2.1:${port}` })
      document['hold'] = { timeout: '7s' }
    })
    expect(record).toMatchObject({ level: 'error', hint: expect.stringContaining('this machine has no such address') })
    await expect(RawClient.connect({ host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(await reload(original)).toMatchObject({ msg: 'configuration reloaded: nothing changed' })
    await crowd.waitForMore(5)
  })

  it('says which changes wait for a restart', async () => {
    const since = scene.proxy.log.length
    await reloadChanged((document) => {
      document['state_dir'] = '/nonexistent' as never
    })
    const record = await scene.proxy.waitForLog('the warning', ({ msg }) => msg === 'these changes need a restart', {
      since,
    })
    expect(record).toMatchObject({ level: 'warn', changed: [expect.stringContaining('state_dir')] })
    await reload(original)
  })

  it('forgets a node that is no longer listed, and ends nobody who is on another', async () => {
    await reloadChanged((document) => {
      document.nodes = document.nodes.slice(0, 1)
      document['discovery'] = 'none' as never
    })
    await scene.waitForStatus('one node', ({ nodes }) => nodes.length === 1)
    await crowd.waitForMore(5)
    await reload(original)
    await scene.waitForRole('node2', 'standby')
    await crowd.waitForMore(5)
  })
})
