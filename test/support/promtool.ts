/** Runs promtool, which comes with Prometheus: it knows what Prometheus will say of metrics, rules and settings. Test support. */
import { spawnSync } from 'node:child_process'

/** `true`, or why the tests that need it cannot run; for `leftOut`. */
export function promtoolAvailable(): true | string {
  return spawnSync('promtool', ['--version']).error === undefined
    ? true
    : 'promtool is missing: install the package prometheus'
}

/** How it ended, and all it said. */
export function promtool(
  args: readonly string[],
  options: { readonly input?: string; readonly cwd?: string } = {},
): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { ...options, encoding: 'utf8', timeout: 30_000 })
  return { code: status, said: `${stdout}${stderr}` }
}
