/**
 * Benchmarks run what ships: the compiled program, with the options of Node that our unit gives it. `npm run bench` builds
 * it first.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** `--max-semi-space-size=16`, from `Environment=NODE_OPTIONS=…`. Throws when the unit has none. */
function nodeOptionsOfUnit(): readonly string[] {
  const [, options] =
    /^Environment=NODE_OPTIONS=(\S+)$/m.exec(readFileSync(root('config/pgha-proxy.service'), 'utf8')) ?? []
  if (options === undefined) throw new Error('config/pgha-proxy.service gives no NODE_OPTIONS')
  return [options]
}

export const BUILT = { bin: root('dist/cli/bin.js'), nodeArgs: nodeOptionsOfUnit() } as const
