/** Signals that come while the daemon still starts. The start is stopped at a pipe that nobody writes into yet. */
import { spawnSync } from 'node:child_process'
import { constants, mkdtempSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { main } from '../../../src/cli/main.ts'
import { waitFor } from '../../support/condition.ts'
import { freePort } from '../../support/free-port.ts'
import { type ProxyConfig, writeProxyConfig } from '../../support/proxy-config.ts'
import { type LogRecord, ProxyProcess } from '../../support/proxy-process.ts'
import { fakeTerminal } from '../fake-terminal.ts'

let folder: string
let config: ProxyConfig
let proxy: ProxyProcess | null = null

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-run-'))
  const node = { name: 'node1', host: '127.0.0.1', port: await freePort() }
  const monitor = { user: 'pgha', password: '', database: 'postgres' }
  config = await writeProxyConfig(folder, { nodes: [node], monitor })
})

afterEach(async () => {
  await proxy?.destroy()
  proxy = null
  rmSync(folder, { recursive: true, force: true })
})

/** A file whose reader waits until the test has written it. */
function makePipe(file: string): void {
  rmSync(file, { force: true })
  const { status, stderr } = spawnSync('mkfifo', [file], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mkfifo: ${stderr}`)
}

/** Resolves when the proxy reads the pipe; it reads on until the handle is closed. */
async function waitForReader(pipe: string): Promise<FileHandle> {
  const openIfRead = () => open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => null)
  return await waitFor('the proxy to read the pipe', openIfRead, { until: (handle) => handle !== null }).then(
    (handle) => handle as FileHandle,
  )
}

/** A proxy that reads its state file, and will until the handle is closed. */
async function startUpToStateFile(): Promise<{ readonly proxy: ProxyProcess; readonly pipe: FileHandle }> {
  const file = join(config.stateDirectory, 'state.json')
  makePipe(file)
  proxy = new ProxyProcess(config)
  return { proxy, pipe: await waitForReader(file) }
}

const said =
  (text: string) =>
  ({ msg }: LogRecord): boolean =>
    String(msg).startsWith(text)

describe('during the start', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s is kept, and stops the daemon in good order when it is up',
    async (signal) => {
      const { proxy, pipe } = await startUpToStateFile()
      proxy.signal(signal)
      await proxy.waitForLog('the signal', said('stop signal'))
      expect(proxy.isRunning).toBe(true)
      await pipe.close()

      expect(await proxy.exited).toEqual({ code: 0, signal: null })
      expect(proxy.log.map(({ msg }) => msg).slice(-2)).toEqual(['draining', 'stopped'])
    },
  )

  it('signals are taken before anything is loaded or read, and given back in the end', async () => {
    const counts = () => ['SIGTERM', 'SIGINT', 'SIGHUP'].map((signal) => process.listenerCount(signal))
    const before = counts()
    const code = main(['--config', join(folder, 'missing.yaml')], fakeTerminal())
    expect(counts()).toEqual(before.map((count) => count + 1))

    expect(await code).toBe(2)
    expect(counts()).toEqual(before)
  })

  it('a second SIGTERM ends a start that hangs, at once', async () => {
    const { proxy, pipe } = await startUpToStateFile()
    proxy.signal('SIGTERM')
    await proxy.waitForLog('the signal', said('stop signal'))
    proxy.signal('SIGTERM')

    expect(await proxy.exited).toEqual({ code: null, signal: 'SIGTERM' })
    await pipe.close()
  })

  it('SIGHUP ends nothing, and reloads when the daemon is up', async () => {
    const { proxy, pipe } = await startUpToStateFile()
    proxy.signal('SIGHUP')
    await pipe.close()
    await proxy.waitForLog('the reload', said('configuration reloaded'))

    expect(await proxy.stop()).toEqual({ code: 0, signal: null })
  })
})
