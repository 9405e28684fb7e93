/**
 * Says aloud which tests this machine leaves out, and refuses to leave any out where all must run. Test support.
 */

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
  return true
}
