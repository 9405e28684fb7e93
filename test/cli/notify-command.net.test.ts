import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AdminServer } from '../../src/admin/admin-server.ts'
import type { Notification } from '../../src/admin/notification.ts'
import { notifyToken } from '../../src/admin/notify-token.ts'
import { main } from '../../src/cli/main.ts'
import { idleActions } from '../admin/admin-rig.ts'
import { realClock } from '../probe/real-clock.ts'
import { MINIMAL } from '../support/config-text.ts'
import { freePort } from '../support/free-port.ts'
import { runCommand } from '../support/run-command.ts'
import { giveToServerUser } from '../support/server-user.ts'
import { fakeTerminal } from './fake-terminal.ts'

const TOKEN = 'a-token-for-tests-of-notify'
const BIN = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))
const LOADED = fileURLToPath(new URL('../support/tell-loaded.js', import.meta.url))

let folder: string
let tokenFile: string
const closers: (() => Promise<void>)[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-notify-'))
  tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, `${notifyToken(TOKEN)}\n`)
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  rmSync(folder, { recursive: true })
})

async function startProxy(): Promise<{ readonly url: string; readonly notified: Notification[] }> {
  const notified: Notification[] = []
  const server = new AdminServer({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    socketMode: 0o600,
    hosts: [],
    token: TOKEN,
    clock: realClock,
    actions: idleActions(),
    onOrder: () => undefined,
    onNotified: ({ notification }) => notified.push(notification),
    onRefused: () => undefined,
    onDefect: () => undefined,
  })
  await server.open()
  closers.push(() => server.close())
  return { url: `http://${server.address}`, notified }
}

/** Takes connections and never says a word, as a frozen host does. */
async function startSilent(): Promise<string> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = fakeTerminal()
  const code = await main(['notify', ...args], terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() }
}

const QUIET = { code: 0, stdout: '', stderr: '' }

describe('pgha-proxy notify', () => {
  it('tells every proxy what repmgr said, and says nothing itself', async () => {
    const [one, two] = [await startProxy(), await startProxy()]
    const event = ['--event', 'standby_promote', '--node', '2', '--success', '1', '--details', 'it "was" promoted']
    const proxies = ['--admin', one.url, '--admin', two.url, '--token-file', tokenFile]

    expect(await run(...event, ...proxies)).toEqual(QUIET)
    const told = { event: 'standby_promote', nodeId: '2', success: true, details: 'it "was" promoted' }
    expect([one.notified, two.notified]).toMatchObject([[told], [told]])
  })

  it('says nothing and ends with 0 when no proxy is there, one is silent, or one takes no such token', async () => {
    const away = `http://127.0.0.1:${await freePort()}`
    const [silent, proxy] = [await startSilent(), await startProxy()]
    const wrong = join(folder, 'wrong')
    writeFileSync(wrong, 'wrong')
    const args = ['--event', 'standby_promote', '--admin', away, '--admin', silent, '--admin', proxy.url]

    expect(await run(...args, '--token-file', wrong, '--timeout', '200ms')).toEqual(QUIET)
    expect(proxy.notified).toEqual([])
    const verbose = await run(...args, '--token-file', wrong, '--timeout', '200ms', '--verbose')
    expect(verbose).toMatchObject({ code: 0, stdout: '' })
    expect(verbose.stderr.split('\n')).toEqual([
      `no proxy answers at ${away}: connection refused`,
      `no proxy answers at ${silent}: silent for 0.2 s`,
      `${proxy.url}: the token is missing or wrong`,
      '',
    ])
  })

  it('does not wait for a silent proxy before it tells the next, and for none longer than it may in all', async () => {
    const silent = await startSilent()
    const proxy = await startProxy()
    const startedAt = performance.now()
    const args = ['--event', 'standby_promote', '--token-file', tokenFile, '--timeout', '300ms']

    expect(await run(...args, '--admin', silent, '--admin', silent, '--admin', proxy.url)).toEqual(QUIET)
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    expect(proxy.notified).toHaveLength(1)
  })

  it('finds address and token in a configuration', async () => {
    const { url, notified } = await startProxy()
    const config = join(folder, 'ha.yaml')
    writeFileSync(config, `${MINIMAL}\nadmin: { address: '${url.slice('http://'.length)}', token: ${TOKEN} }\n`)

    expect(await run('--event', 'standby_promote', '--config', config)).toEqual(QUIET)
    expect(notified).toMatchObject([{ event: 'standby_promote' }])
    expect(await run('--print-token', '--config', config)).toEqual({ ...QUIET, stdout: `${notifyToken(TOKEN)}\n` })
  })

  it.each([
    ['--event is missing', []],
    ['a notification needs a token', ['--event', 'a']],
    ['--token-file', ['--event', 'a', '--token-file', '/nowhere/token']],
    ['--admin "localhost:8432"', ['--event', 'a', '--config', 'x', '--admin', 'localhost:8432']],
    ['--timeout "5"', ['--event', 'a', '--timeout', '5']],
    ['--timeout "2h"', ['--event', 'a', '--timeout', '2h']],
  ])('says %s when it is no use, and ends with 2', async (words, args) => {
    const { code, stdout, stderr } = await run(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(words)
  })

  it('loads neither the driver nor the configuration, its schema, YAML or the log: it has no time for them', async () => {
    const { url, notified } = await startProxy()
    for (const path of [folder, tokenFile]) giveToServerUser(path)
    const args = [
      '--import',
      LOADED,
      BIN,
      'notify',
      '--event',
      'node_rejoin',
      '--admin',
      url,
      '--token-file',
      tokenFile,
    ]
    const { output } = await runCommand(process.execPath, args, { folder })
    const loaded = output.split('\n')

    expect(notified).toHaveLength(1)
    expect(loaded.some((each) => each.endsWith('src/cli/commands/notify.ts'))).toBe(true)
    expect(
      loaded.filter((each) => /node_modules\/(?!commander\/)|src\/(config\/(schema|load)|probe|net)/.test(each)),
    ).toEqual([])
  })
})
