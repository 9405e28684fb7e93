/** P6: the log. It never holds a secret, stays short when a thousand sessions end, and says more when somebody asks. */
import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { runProxyCommand } from '../support/proxy-process.ts'
import { APPLICATION_LOGIN, MONITOR_LOGIN } from '../support/roles.ts'
import { Scene, tellOnFailure } from './scene.ts'

const SESSIONS = 30
const WRONG = 'not-the-password-of-anybody'
const SAID = 'a-text-in-a-query'

let scene: Scene
const clients: pg.Client[] = []

afterEach(async () => {
  for (const client of clients.splice(0)) await client.end().catch(() => undefined)
  await scene?.close()
})

async function connect(login: Partial<pg.ClientConfig> = {}): Promise<pg.Client> {
  const client = new pg.Client({ ...scene.target, ...APPLICATION_LOGIN, ...login })
  client.on('error', () => undefined)
  clients.push(client)
  await client.connect()
  return client
}

describe('the log', () => {
  it('holds no secret at level trace: no password, no token, in no form, and nothing of what was asked', async () => {
    scene = await Scene.open({ nodes: 1, proxy: { log: { level: 'trace' } } })
    tellOnFailure(() => scene)
    const node1 = scene.node('node1')
    await (await connect()).query(`SELECT '${SAID}'`)
    await expect(connect({ password: WRONG })).rejects.toMatchObject({ code: '28P01' })
    node1.setHbaLines([`host all ${APPLICATION_LOGIN.user} all password`])
    node1.reload()
    await (await connect()).query(`SELECT '${SAID}'`)
    await expect(connect({ password: WRONG })).rejects.toMatchObject({ code: '28P01' })
    for (const token of [WRONG, scene.config.adminToken]) {
      const headers = { authorization: `Bearer ${token}` }
      await fetch(`${scene.config.adminUrl}/api/probe`, { method: 'POST', headers })
    }
    for (const client of clients.splice(0)) await client.end().catch(() => undefined)
    await scene.waitForStatus('all sessions to end', ({ sessions }) => sessions.active === 0)
    scene.proxy.signal('SIGHUP')
    await scene.proxy.waitForLog('the reload', ({ msg }) => String(msg).startsWith('configuration reloaded'))
    await scene.proxy.stop()

    const text = JSON.stringify(scene.proxy.log)
    expect(text).toContain('session ended')
    expect(text).toContain('order refused')
    const secrets = [APPLICATION_LOGIN.password, MONITOR_LOGIN.password, scene.config.adminToken, WRONG, SAID]
    for (const secret of secrets) {
      const bytes = Buffer.from(secret)
      for (const form of [secret, bytes.toString('base64').slice(0, -4), bytes.toString('hex'), [...bytes].join(',')]) {
        expect(text).not.toContain(form)
      }
    }
  })

  it('tells of a few of many sessions that end together, counts the rest, and tells of all at level debug', async () => {
    scene = await Scene.open({ nodes: 1, proxy: { log: { level: 'info' } }, passwords: false })
    tellOnFailure(() => scene)
    await Promise.all(Array.from({ length: SESSIONS }, () => connect()))
    const since = scene.proxy.log.length
    await order('fence', 'node1')
    const rest = await scene.proxy.waitForLog('the rest', ({ msg }) => msg === 'more sessions ended', { since })
    expect(rest).toMatchObject({
      level: 'warn',
      reason: 'node-not-routable',
      count: SESSIONS - 10,
      nodes: { node1: SESSIONS - 10 },
    })
    const ended = scene.proxy.log.slice(since).filter(({ msg }) => msg === 'session ended')
    expect(ended).toHaveLength(10)
    expect(new Set(ended.map(({ session }) => session)).size).toBe(10)

    await order('unfence', 'node1')
    await scene.waitUntilServing('node1')
    await order('log-level', 'debug', '--for', '4s')
    const client = await connect()
    const { sessions } = (await (await fetch(`${scene.config.adminUrl}/api/sessions`)).json()) as {
      sessions: { id: number; phase: string }[]
    }
    const id = sessions.find(({ phase }) => phase === 'relaying')?.id
    await client.end()
    const end = await scene.proxy.waitForLog('its end', ({ msg, session }) => msg === 'session ended' && session === id)
    expect(end).toMatchObject({ level: 'debug', reason: 'finished' })
    expect(await scene.proxy.waitForLog('the level', ({ msg }) => msg === 'the log level is back')).toMatchObject({
      logLevel: 'info',
    })
  })
})

async function order(...args: string[]): Promise<void> {
  const { code, stderr } = await runProxyCommand([...args, '--config', scene.config.file])
  expect({ code, stderr: stderr.replaceAll(/^.*monitor\.password.*\n.*\n/gm, '') }).toMatchObject({ code: 0 })
}
