/**
 * Says aloud which tests this machine leaves out, and refuses to leave any out where all must run. Test support.
 */
import { appendFileSync } from 'node:fs'

/** Names the file in which `npm test` collects what was left out, for its last line. */
export const LEFT_OUT_FILE = 'PGHA_TEST_LEFT_OUT_FILE'

/**
 * For `describe.skipIf`: `true` when the tests must be left out, after one line on stderr saying so and why.
 * With `PGHA_TEST_REQUIRE=all` (CI) it throws instead: there, a missing program is a failure.
 *
 * @param what the tests concerned, in a few words
 * @param available `true`, or why not
 */
export function leftOut(what: string, available: true | string): boolean {
  if (available === true) return false
  if (process.env['PGHA_TEST_REQUIRE'] === 'all') throw new Error(`${what} must run here: ${available}`)
  process.stderr.write(`left out: ${what}: ${available}\n`)
  const file = process.env[LEFT_OUT_FILE]
  if (file !== undefined) appendFileSync(file, `${what} (${available})\n`)
  return true
}
