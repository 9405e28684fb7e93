/**
 * Property tests draw new values at every run on a developer's machine, and the same ones in CI (or with
 * `PGHA_TEST_SEED=N`): there a change is judged, not luck. A failure prints its seed. Test support, loaded by Vitest.
 */
import fc from 'fast-check'

const CI_SEED = 20_261_122

const seed = process.env['PGHA_TEST_SEED'] ?? (process.env['CI'] ? String(CI_SEED) : undefined)
if (seed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(seed) })
