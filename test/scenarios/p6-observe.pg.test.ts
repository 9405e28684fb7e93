/** P6, before the change: `--observe` beside a proxy that serves, through a real failover. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import type { WholeReport } from '../../src/daemon/observer.ts'
import { waitFor } from '../support/condition.ts'
import { freePort } from '../support/free-port.ts'
import { reapOnExit } from '../support/reaper.ts'
import { Scene, tellOnFailure } from './scene.ts'

const BIN = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))

let scene: Scene
let folder: string
let stop: () => Promise<unknown> = async () => undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-observe-'))
})
afterEach(async () => {
  await stop()
  await scene?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('pgha-proxy --observe', () => {
  it('decides beside a proxy that serves, takes nothing from it, and reports what it would have done', async () => {
    scene = await Scene.open({ nodes: 2 })
    tellOnFailure(() => scene)
    const stateBefore = readFileSync(join(scene.config.stateDirectory, 'state.json'), 'utf8')
    const admin = `127.0.0.1:${await freePort()}`
    // The listeners and the state directory are those of the proxy that runs.
    const config = { ...(parse(readFileSync(scene.config.file, 'utf8')) as object), admin: { address: admin } }
    const file = join(folder, 'ha.yaml')
    writeFileSync(file, stringify(config), { mode: 0o600 })
    const observer = start(['--config', file, '--observe', '--json', '--compare', `127.0.0.1:${scene.target.port}`])
    const read = async (): Promise<WholeReport | null> => {
      const answer = await fetch(`http://${admin}/api/observation`).catch(() => null)
      return answer === null ? null : ((await answer.json()) as WholeReport)
    }
    await waitFor('the observer to have compared', async () => ((await read())?.compared?.ms.right ?? 0) > 0, {
      timeoutMs: 15_000,
    })
    expect(readFileSync(join(scene.config.stateDirectory, 'state.json'), 'utf8')).toBe(stateBefore)

    await scene.node('node1').kill()
    await scene.promote('node2')
    await scene.waitUntilServing('node2')
    await waitFor('the observer to see node2', async () => (await read())?.now?.primary === 'node2', {
      timeoutMs: 15_000,
    })
    await scene.node('node1').start()
    await waitFor('the stale primary to be warned of', async () => ((await read())?.warnings.length ?? 0) > 0, {
      timeoutMs: 15_000,
    })
    // The proxy that serves goes on: nothing of it was touched.
    expect((await scene.status()).primary).toBe('node2')

    observer.child.kill('SIGTERM')
    expect(await observer.exited).toBe(0)
    const report = JSON.parse(observer.stdout()) as WholeReport
    expect(report.primaries.map(({ node, timelineId }) => `${timelineId} ${node}`)).toEqual(['1 node1', '2 node2'])
    expect(report).toMatchObject({ changes: 1, holds: { count: 1 } })
    expect(report.holds.forMs).toBeGreaterThan(0)
    expect(report.warnings.map(({ warning }) => warning).join()).toContain('node1')
    expect(report.probes.find(({ node }) => node === 'node1')?.failed).toHaveProperty('refused')
    expect(report.compared?.ms.wrong).toBe(0)
    expect(observer.stderr()).toContain('"msg":"decision"')
    expect(observer.stderr()).not.toContain('"msg":"listening"')
    expect(existsSync(join(scene.config.stateDirectory, 'observe', 'state.json'))).toBe(true)
  })

  it('ends by itself after --for, with a report for people', async () => {
    scene = await Scene.open({ nodes: 1 })
    await scene.proxy.stop()
    const { exited, stdout } = start(['--config', scene.config.file, '--observe', '--for', '2s'])
    expect(await exited).toBe(0)
    expect(stdout()).toMatch(/^Observed for [\d.]+ s.*serving, node1 is primary on timeline 1\.$/m)
    expect(stdout()).toMatch(/gone to node1 +100\.00 %/)
  })
})

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  const release = child.pid === undefined ? () => undefined : reapOnExit({ kind: 'process', pid: child.pid })
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  stop = async () => {
    child.kill('SIGKILL')
    await exited
    release()
  }
  return { child, exited, stdout: () => output.stdout, stderr: () => output.stderr }
}
