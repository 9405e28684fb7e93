/**
 * Which configuration a command means: `--config`, or the first that is there of the usual places. The daemon itself
 * takes only `--config`: what a service runs must not depend on where it was started. Command line layer.
 */
import { access, constants } from 'node:fs/promises'
import { CliError } from './cli-error.ts'
import { EXIT_CODES } from './exit-codes.ts'

/** In the order in which they are looked for. */
export const USUAL_CONFIG_FILES: readonly string[] = ['ha.yaml', '/etc/pgha-proxy/ha.yaml']

export interface ConfigSearch {
  /** The first that can be read; `null` when none can. */
  readonly file: string | null
  /** What was looked for before that, and why it was not taken: `ha.yaml (no such file)`. */
  readonly passedOver: readonly string[]
}

/** Looks into the usual places. Never rejects. */
export async function searchConfig(files: readonly string[] = USUAL_CONFIG_FILES): Promise<ConfigSearch> {
  const passedOver: string[] = []
  for (const file of files) {
    try {
      await access(file, constants.R_OK)
      return { file, passedOver }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      passedOver.push(`${file} (${code === 'EACCES' ? 'permission denied' : 'no such file'})`)
    }
  }
  return { file: null, passedOver }
}

/** `--config`, or one of the usual places; a CliError that says which ones when there is none. */
export async function locateConfig(given: string | null, files?: readonly string[]): Promise<string> {
  if (given !== null) return given
  const { file, passedOver } = await searchConfig(files)
  if (file !== null) return file
  throw new CliError(
    'there is no configuration: --config is missing',
    `give --config FILE; without it these were looked for: ${passedOver.join(', ')}`,
    EXIT_CODES.usage,
  )
}
