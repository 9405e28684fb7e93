/** Reads the configuration file: the thin, effectful side of load.ts. */

import { type LoadResult, loadConfig, wholeFileFault } from './load.ts'
import { CONFIG_BYTES_MAX } from './parse-yaml.ts'
import { readBounded } from './read-bounded.ts'
import type { Environment } from './substitute.ts'

/** Loads the file at `path`. Never rejects: a file that cannot be read is a fault like any other. */
export async function loadConfigFile(path: string, environment: Environment): Promise<LoadResult> {
  const read = await readBounded(path, CONFIG_BYTES_MAX)
  if (!read.ok) return wholeFileFault(`the file cannot be read: ${read.problem}`, null)
  return loadConfig({ text: read.bytes, environment })
}
