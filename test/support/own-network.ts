/**
 * Tests that take networks apart run in a network of their own: the file runs once more, by a second vitest inside a new
 * network namespace, where it may add hosts and cut links; the network of the machine is never touched. Test support.
 * Needs Linux, root and iproute2. The namespace ends with its last process, so nothing has to be put back.
 */
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'

const ROOT = join(import.meta.dirname, '..', '..')

/** Set for the second vitest. */
const INSIDE = 'PGHA_TEST_OWN_NETWORK'

/** Whether this is the second run, inside. */
export function isInOwnNetwork(): boolean {
  return process.env[INSIDE] === '1'
}

/** `true`, or why no network can be made here; for `leftOut`. */
export function ownNetworkAvailable(): true | string {
  if (process.platform !== 'linux') return 'only Linux has network namespaces'
  const { status, stderr, error } = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'try', 'type', 'bridge'], {
    encoding: 'utf8',
  })
  if (error !== undefined) return `unshare does not start (${error.message}): install the package util-linux`
  if (status === 0) return true
  return `no network can be made (${stderr.trim()}): it needs root and the package iproute2`
}

/** Runs the tests of `file` inside a new network. Rejects with all that they said when one of them fails. */
export async function runInOwnNetwork(file: string, timeoutMs: number): Promise<void> {
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
  const run = [process.execPath, vitest, 'run', '--project', 'pg', file]
  const inherited = Object.entries(process.env).filter(([name]) => !/^(?:VITEST|TEST$|NODE_V8_COVERAGE)/.test(name))
  // --kill-child: whoever ends this process ends the tests inside.
  const child = spawn('unshare', ['--net', '--fork', '--kill-child', ...run], {
    cwd: ROOT,
    env: { ...Object.fromEntries(inherited), [INSIDE]: '1', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  })
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => said.push(text))
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const output = said.join('')
  // Exit code 0 with nothing run would be no proof.
  if (code === 0 && /^\s*Tests\s+\d+ passed/m.test(output)) return
  throw new Error(`inside a network of its own, ${file} ended with ${code ?? 'a signal'}:\n${output}`)
}
