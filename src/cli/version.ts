/** The version of this program, from its package.json. */
import { readFileSync } from 'node:fs'

/** `package.json` lies two folders above this file, in a checkout as in the published package. */
export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}
