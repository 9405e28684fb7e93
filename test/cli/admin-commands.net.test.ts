import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AdminServer } from '../../src/admin/admin-server.ts'
import { ADMIN_TIMEOUT_MS, askAdmin } from '../../src/cli/admin-client.ts'
import { status } from '../../src/cli/commands/status.ts'
import { main } from '../../src/cli/main.ts'
import type { AdminAddress } from '../../src/config/config.ts'
import type { Status } from '../../src/observability/status.ts'
import type { OrderResult } from '../../src/probe/health-loop.ts'
import { idleActions } from '../admin/admin-rig.ts'
import { realClock } from '../probe/real-clock.ts'
import { waitFor } from '../support/condition.ts'
import { MINIMAL } from '../support/config-text.ts'
import { freePort } from '../support/free-port.ts'
import { runProxyCommand } from '../support/proxy-process.ts'
import { fakeTerminal } from './fake-terminal.ts'
import { statusAfter } from './status/statuses.ts'

const BIN = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))
const TOKEN = 'a-token-for-tests'
const SERVING = statusAfter({ epoch: '1 node1', turns: [['P1+', 'S1<node1']] })
const WAITING = statusAfter({ epoch: '1 node1', turns: [['R', 'S?']] })

const closers: (() => Promise<void>)[] = []
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-admin-'))
})
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  rmSync(folder, { recursive: true })
})

interface Proxy {
  readonly url: string
  /** `fence node1` and so on, in order. */
  readonly orders: string[]
  current: Status
  result: OrderResult
}

/** The admin server as the daemon has it, with a cluster that is only told of. */
async function startProxy(
  options: { readonly token?: string | null; readonly address?: AdminAddress } = {},
): Promise<Proxy> {
  const proxy: Proxy = { url: '', orders: [], current: SERVING, result: { ok: true, message: 'it is done' } }
  const server = new AdminServer({
    address: options.address ?? { kind: 'tcp', host: '127.0.0.1', port: 0 },
    socketMode: 0o600,
    hosts: [],
    token: options.token === undefined ? TOKEN : options.token,
    clock: realClock,
    actions: idleActions({
      status: () => proxy.current,
      carryOut: async ({ order, reason }) => {
        const { kind, ...details } = order
        const words = [kind, ...Object.values(details), ...(reason === null ? [] : [`because ${reason}`])]
        proxy.orders.push(words.join(' '))
        return proxy.result
      },
    }),
    onOrder: () => {},
    onNotified: ({ notification }) => proxy.orders.push(`notify ${notification.event}`),
    onRefused: () => {},
    onDefect: () => {},
  })
  await server.open()
  closers.push(() => server.close())
  const isUnix = options.address?.kind === 'unix'
  return Object.assign(proxy, { url: isUnix ? server.address : `http://${server.address}` })
}

/** Anything else that speaks HTTP. `sockets` are those that are still open. */
async function startOther(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly url: string; readonly sockets: ReadonlySet<Socket> }> {
  const server: Server = createServer(answer)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

function write(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

async function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const terminal = fakeTerminal()
  const code = await main(args, terminal)
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() }
}

describe('pgha-proxy status', () => {
  it('shows what the proxy answers, and ends with 0 while there is a primary', async () => {
    const { url } = await startProxy()
    const { code, stdout, stderr } = await run('status', '--url', url)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^serving {2}node1 is primary on timeline 1\n/)
    expect(stdout).toMatch(/^node2 .* standby /m)
    expect(stdout).not.toContain('EVIDENCE')
  })

  it('ends with 3 while there is none', async () => {
    const proxy = await startProxy()
    proxy.current = WAITING
    const { code, stdout } = await run('status', '--url', proxy.url, '--explain')
    expect(code).toBe(3)
    expect(stdout).toMatch(/^no-primary {2}node1, primary on timeline 1, refuses connections\n/)
    expect(stdout).toContain('WHAT WOULD CHANGE THIS')
  })

  it('prints the answer itself with --json', async () => {
    const { url } = await startProxy()
    const { code, stdout } = await run('status', '--url', url, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(SERVING)))
  })

  it('finds the address in the configuration, before the command or after it', async () => {
    const { url } = await startProxy()
    const file = write('ha.yaml', `${MINIMAL}\nadmin: { address: "${new URL(url).host}" }\n`)
    expect((await run('status', '--config', file)).code).toBe(0)
    expect((await run('--config', file, 'status')).code).toBe(0)
  })

  it('names the address and the remedy when nobody answers', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const { code, stdout, stderr } = await run('status', '--url', url)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(
      `pgha-proxy: no proxy answers at ${url}: connection refused\n` +
        '  is it running there? Name its admin address with --url http://HOST:PORT, or its configuration with --config FILE\n',
    )
  })

  it.each([
    [200, 'hello', 'answered 200, but with no status of pgha-proxy'],
    [200, '{"state": "fine"}', 'answered 200, but with no status of pgha-proxy'],
    [404, '{"error": "lost"}', 'answered 404: lost, but with no status'],
    [403, '{"error": "no"}', 'refuses requests under that host name'],
  ])('is not taken in by another server that answers %d %s', async (statusCode, body, says) => {
    const { url } = await startOther((_request, response) => response.writeHead(statusCode).end(body))
    const { code, stderr } = await run('status', '--url', url)
    expect(code).toBe(1)
    expect(stderr).toContain(says)
  })

  it('keeps below a path, for an admin server behind another one', async () => {
    const paths: (string | undefined)[] = []
    const { url } = await startOther((request, response) => {
      paths.push(request.url)
      response.end(JSON.stringify(SERVING))
    })
    expect((await run('status', '--url', `${url}/pgha`)).code).toBe(0)
    expect(paths).toEqual(['/pgha/api/status'])
  })
})

describe('pgha-proxy status --watch', () => {
  const watch = async (
    url: string,
    options: { readonly isInteractive: boolean; readonly json?: boolean },
    onOut: (text: string, stop: AbortController) => void,
  ) => {
    const stop = new AbortController()
    const terminal = fakeTerminal({ isInteractive: options.isInteractive, onOut: (text) => onOut(text, stop) })
    const code = await status(
      { url, config: null, watch: true, explain: false, json: options.json ?? false, stop: stop.signal },
      terminal,
    )
    return { code, stdout: terminal.stdout() }
  }

  it('appends where there is no terminal, and ends at once when told, with the code of the last look', async () => {
    const proxy = await startProxy()
    let count = 0
    const { code, stdout } = await watch(proxy.url, { isInteractive: false }, (_text, stop) => {
      count += 1
      proxy.current = WAITING
      if (count === 2) stop.abort()
    })
    expect(code).toBe(3)
    expect(stdout).toMatch(/^serving {2}(.|\n)*\n\nno-primary {2}/)
    expect(stdout).not.toContain('\x1b')
  })

  it('redraws on a screen of its own, and leaves the terminal as it was, with the last look on it', async () => {
    const { url } = await startProxy()
    let frames = 0
    const { stdout } = await watch(url, { isInteractive: true }, (text, stop) => {
      if (text.includes('serving')) frames += 1
      if (frames === 2) stop.abort()
    })
    expect(stdout.split('\x1b[H').length - 1).toBe(3)
    expect(stdout.startsWith('\x1b[?1049h\x1b[?7l\x1b[?25l')).toBe(true)
    const [, after = ''] = stdout.split('\x1b[?25h\x1b[?7h\x1b[?1049l')
    expect(after).toMatch(/^serving {2}node1 is primary on timeline 1\n(.|\n)*\n$/)
    expect(stdout).toContain(`pgha-proxy at ${url}`)
  })

  it.each(['q', '\x03'])('ends at the key %j, and reads no more keys', async (key) => {
    const { url } = await startProxy()
    const keys: { press: ((keys: string) => void) | null } = { press: null }
    const terminal = fakeTerminal({
      isInteractive: true,
      onKeys: (listener) => {
        keys.press = listener
        return () => {
          keys.press = null
        }
      },
      onOut: (text) => {
        if (!text.includes('\x1b[Hpgha-proxy at')) return
        keys.press?.('x')
        setImmediate(() => keys.press?.(key))
      },
    })
    const stop = new AbortController().signal
    const code = await status({ url, config: null, watch: true, explain: false, json: false, stop }, terminal)
    expect(code).toBe(0)
    expect(keys.press).toBeNull()
    expect(terminal.stdout()).toContain('(q ends)')
  })

  it('ends at once also while a proxy that is frozen has its question', async () => {
    const asked = Promise.withResolvers<void>()
    const { url, sockets } = await startOther(() => asked.resolve())
    const stop = new AbortController()
    const terminal = fakeTerminal({ isInteractive: true })
    const startedAt = performance.now()
    const watching = status(
      { url, config: null, watch: true, explain: false, json: false, stop: stop.signal },
      terminal,
    )
    await asked.promise
    stop.abort()
    expect(await watching).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(ADMIN_TIMEOUT_MS - 500)
    expect(terminal.stdout()).not.toContain('no proxy answers')
    await waitFor('the socket to be closed', () => sockets.size === 0)
  })

  it('shows no more lines than the terminal has', async () => {
    const { url } = await startProxy()
    const stop = new AbortController()
    const terminal = fakeTerminal({
      isInteractive: true,
      rows: 6,
      onOut: (text) => {
        if (text.includes('serving')) stop.abort()
      },
    })
    await status({ url, config: null, watch: true, explain: true, json: false, stop: stop.signal }, terminal)
    const [, , frame = ''] = terminal.stdout().split('\x1b[H')
    const lines = frame.split('\x1b[J')[0]?.trimEnd().split('\n') ?? []
    expect(lines.length).toBe(5)
    expect(lines.at(-1)).toMatch(/^… \d+ lines more/)
  })

  it('goes on while the proxy is away, and shows it when it is back', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    let server: Server | null = null
    const { code, stdout } = await watch(url, { isInteractive: false }, (text, stop) => {
      if (text.includes('serving')) stop.abort()
      else if (server === null) {
        server = createServer((_request, response) => response.end(JSON.stringify(SERVING))).listen(port, '127.0.0.1')
        closers.push(async () => {
          server?.closeAllConnections()
          await new Promise((resolve) => server?.close(resolve))
        })
      }
    })
    expect(stdout).toMatch(/^pgha-proxy: no proxy answers at .*: connection refused\n(.|\n)*\nserving /)
    expect(code).toBe(0)
  })

  it('prints one JSON object a line with --json', async () => {
    const { url } = await startProxy()
    let count = 0
    const { stdout } = await watch(url, { isInteractive: true, json: true }, (_text, stop) => {
      count += 1
      if (count === 2) stop.abort()
    })
    const states = stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as Status).state)
    expect(states).toEqual(['serving', 'serving'])
  })
})

describe('an order', () => {
  it.each(['accept', 'fence', 'unfence'])(
    '%s is sent with the token, and its answer and the state after it are shown',
    async (name) => {
      const proxy = await startProxy()
      const result = await run(name, 'node1', '--url', proxy.url, '--token-file', write('token', `${TOKEN}\n`))
      expect(result).toEqual({ code: 0, stdout: 'it is done\nserving  node1 is primary on timeline 1\n', stderr: '' })
      expect(proxy.orders).toEqual([`${name} node1`])
    },
  )

  it('takes address and token from the configuration', async () => {
    const proxy = await startProxy()
    const admin = `{ address: "${new URL(proxy.url).host}", token_file: ${write('token', TOKEN)} }`
    const file = write('ha.yaml', `${MINIMAL}\nadmin: ${admin}\n`)
    expect((await run('fence', 'node2', '--config', file)).code).toBe(0)
    expect(proxy.orders).toEqual(['fence node2'])
  })

  it.each([
    ['fence', 'there is no node "node9"; the nodes are node1, node2', 'name one of these'],
    ['accept', 'node2 is a standby: promote it first', 'repmgr standby promote'],
    ['unfence', 'node1 is not fenced', 'pgha-proxy status shows which nodes are fenced'],
    ['fence', 'the state file cannot be written: EROFS', 'nothing was changed: make state_dir writable'],
    ['accept', 'node1 does not answer: nothing can be accepted of it', 'pgha-proxy status --explain'],
  ])('%s that the proxy refuses says why (%s) and what to do', async (name, problem, remedy) => {
    const proxy = await startProxy()
    proxy.result = { ok: false, problem }
    const { code, stdout, stderr } = await run(name, 'x', '--url', proxy.url, '--token-file', write('token', TOKEN))
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const [first, second] = stderr.split('\n')
    expect(first).toBe(`pgha-proxy: ${name} was refused: ${problem}`)
    expect(second).toContain(remedy)
  })

  it('with a wrong token says whose it is, and does not repeat it', async () => {
    const proxy = await startProxy()
    const { code, stderr } = await run(
      'fence',
      'node1',
      '--url',
      proxy.url,
      '--token-file',
      write('token', 'wrong-one'),
    )
    expect(code).toBe(1)
    expect(stderr).toContain('does not take this token\n  give the one that its admin.token')
    expect(stderr).not.toContain('wrong-one')
    const admin = `{ address: "${new URL(proxy.url).host}", token_file: ${write('token', 'wrong-one')} }`
    const file = write('ha.yaml', `${MINIMAL}\nadmin: ${admin}\n`)
    expect((await run('fence', 'node1', '--config', file)).stderr).toContain('reload it, or give --token-file')
    expect(proxy.orders).toEqual([])
  })

  it.each([
    [['drain'], 'drain true'],
    [['drain', '--off'], 'drain false'],
    [['drain', '--reason', 'kernel update'], 'drain true because kernel update'],
    [['probe'], 'probe '],
    [['probe', 'node2'], 'probe node2'],
    [['fence', 'node1', '--reason', 'its disk fails'], 'fence node1 because its disk fails'],
  ])('%j reaches the proxy as "%s"', async (args, order) => {
    const proxy = await startProxy()
    const tokenFile = write('token', TOKEN)
    expect(await run(...args, '--url', proxy.url, '--token-file', tokenFile)).toMatchObject({ code: 0, stderr: '' })
    expect(proxy.orders).toEqual([order])
  })

  it('that the proxy cannot read says why, and what may be wrong', async () => {
    const { url } = await startProxy()
    const reason = 'x'.repeat(300)
    const { code, stderr } = await run(
      ...['drain', '--reason', reason, '--url', url, '--token-file', write('token', TOKEN)],
    )
    expect(code).toBe(1)
    expect(stderr).toContain('refuses: reason must be one line of at most 200 characters')
  })

  it('after too many wrong tokens says how long to wait, and the right one goes through', async () => {
    const { url } = await startProxy()
    const give = async (token: string) => await run('drain', '--url', url, '--token-file', write('token', token))
    for (let tries = 0; tries < 10; tries += 1) await give('wrong')
    const { code, stderr } = await give('wrong')
    expect(code).toBe(1)
    expect(stderr).toContain('too many wrong tokens from this address\n  wait a minute')
    expect((await give(TOKEN)).code).toBe(0)
  })

  it('to a proxy without a token says how to give it one', async () => {
    const { url } = await startProxy({ token: null })
    const { code, stderr } = await run('fence', 'node1', '--url', url, '--token-file', write('token', TOKEN))
    expect(code).toBe(1)
    expect(stderr).toContain('takes no orders: it has no admin token\n  set admin.token_file')
  })

  it('is done even if the proxy is silent afterwards', async () => {
    const { url } = await startOther((request, response) => {
      if (request.method === 'POST') response.end('{"message": "fenced"}')
      else request.destroy()
    })
    const result = await run('fence', 'node1', '--url', url, '--token-file', write('token', TOKEN))
    expect(result).toEqual({ code: 0, stdout: 'fenced\n', stderr: '' })
  })
})

describe('a proxy that is asked over a Unix socket', () => {
  it('is found by --url and by the configuration, and takes orders', async () => {
    const path = join(folder, 'with a space.sock')
    const proxy = await startProxy({ address: { kind: 'unix', path } })
    const named = ['--url', `unix:${path}`]
    const file = write(
      'ha.yaml',
      `${MINIMAL}\nadmin: { address: "unix:${path}", token_file: ${write('token', TOKEN)} }\n`,
    )
    for (const way of [named, ['--config', file]]) {
      expect(await run('status', ...way)).toMatchObject({ code: 0, stderr: '' })
    }
    expect((await run('fence', 'node1', '--config', file)).code).toBe(0)
    expect(proxy.orders).toEqual(['fence node1'])
  })

  it('is named when nobody answers there', async () => {
    const path = join(folder, 'nobody.sock')
    const { code, stderr } = await run('status', '--url', `unix:${path}`)
    expect(code).toBe(1)
    expect(stderr).toContain(`no proxy answers at unix:${path}: there is no such socket`)
  })
})

describe('a question to the admin address', () => {
  it('leaves no socket open', async () => {
    const { url, sockets } = await startOther((_request, response) => response.end('{}'))
    await askAdmin(new URL(url), { method: 'GET', path: 'api/status' })
    await waitFor('the socket to be closed', () => sockets.size === 0)
  })

  it(`is given up after ${ADMIN_TIMEOUT_MS} ms of silence, also in the middle of an answer`, async () => {
    const { url, sockets } = await startOther((_request, response) => {
      response.writeHead(200)
      response.write('{')
    })
    const startedAt = performance.now()
    await expect(askAdmin(new URL(url), { method: 'GET', path: 'api/status' })).rejects.toThrow(
      `no proxy answers at ${url}: silent for 5 s`,
    )
    expect(performance.now() - startedAt).toBeGreaterThan(ADMIN_TIMEOUT_MS - 100)
    await waitFor('the socket to be closed', () => sockets.size === 0)
  })

  it('takes no more than it can show', async () => {
    const { url } = await startOther((_request, response) => response.end('x'.repeat(5 * 1024 * 1024)))
    await expect(askAdmin(new URL(url), { method: 'GET', path: 'api/status' })).rejects.toThrow('the answer is longer')
  })

  it('does not go through the proxy that the environment names', async () => {
    let asked = 0
    const httpProxy = await startOther((_request, response) => {
      asked += 1
      response.end('{}')
    })
    const { url } = await startProxy()
    // Node reads these when it starts.
    const env = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: httpProxy.url, NO_PROXY: '', no_proxy: '' }
    expect(await runProxyCommand(['status', '--url', url], { env })).toMatchObject({ code: 0, stderr: '' })
    expect(asked).toBe(0)
  })
})

describe('a watch in a process of its own', () => {
  /** Started, and seen to have printed one status. */
  async function startWatch(url: string) {
    const child = spawn(process.execPath, [BIN, 'status', '--watch', '--url', url], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    closers.push(async () => {
      child.kill('SIGKILL')
    })
    const exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })))
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    await waitFor('the first status', () => stdout.includes('serving'))
    return { child, exited, stderr: () => stderr }
  }

  it('ends at Ctrl-C with the code of the last look', async () => {
    const { url } = await startProxy()
    const { child, exited, stderr } = await startWatch(url)
    child.kill('SIGINT')
    expect(await exited).toEqual({ code: 0, signal: null })
    expect(stderr()).toBe('')
  })

  it('ends without a word when its reader has gone', async () => {
    const { url } = await startProxy()
    const { child, exited, stderr } = await startWatch(url)
    child.stdout.destroy()
    expect(await exited).toEqual({ code: 0, signal: null })
    expect(stderr()).toBe('')
  })
})
