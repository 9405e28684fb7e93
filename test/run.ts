/**
 * `npm test`: every suite that this machine can run, one class of tests after the other, and one line at the end that
 * says what was left out and why. With `PGHA_TEST_REQUIRE=all` anything left out is a failure. A word after it names one
 * class (`npm run test:docker`).
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { engineAvailable } from './docker/engine.ts'
import { LEFT_OUT_FILE } from './support/left-out.ts'
import { findBinaries } from './support/postgres-binaries.ts'
import { repmgrAvailable } from './support/repmgr-binaries.ts'

interface Suite {
  readonly name: string
  readonly projects: readonly string[]
  /** `true`, or why it cannot run here. */
  readonly available: true | string
}

const anyPostgres = findBinaries('any')
const SUITES: readonly Suite[] = [
  { name: 'pure and loopback', projects: ['pure', 'net'], available: true },
  // Each of its files says for itself when a program is missing.
  { name: 'system', projects: ['system'], available: true },
  { name: 'PostgreSQL', projects: ['pg'], available: 'missing' in anyPostgres ? anyPostgres.missing : true },
  { name: 'repmgr', projects: ['repmgr'], available: repmgrAvailable() },
  { name: 'Docker', projects: ['docker'], available: engineAvailable() },
]
const [only] = process.argv.slice(2)
const suites = SUITES.filter(({ projects }) => only === undefined || projects.includes(only))

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const folder = mkdtempSync(join(tmpdir(), 'pgha-test-run-'))
const leftOutFile = join(folder, 'left-out')
writeFileSync(leftOutFile, '')
const env = { ...process.env, [LEFT_OUT_FILE]: leftOutFile }

const failed: string[] = []
const leftOut: string[] = []
for (const { name, projects, available } of suites) {
  if (available !== true) {
    leftOut.push(`${name} (${available})`)
    continue
  }
  say(`\n== ${name} tests ==`)
  const args = ['run', ...projects.flatMap((project) => ['--project', project])]
  const { status } = spawnSync('vitest', args, { stdio: 'inherit', env })
  if (status !== 0) failed.push(name)
}

leftOut.push(...new Set(readFileSync(leftOutFile, 'utf8').split('\n').filter(Boolean)))
rmSync(folder, { recursive: true })

say(`\n${failed.length === 0 ? 'All tests that were run have passed.' : `Failed: ${failed.join(', ')}.`}`)
say(leftOut.length === 0 ? 'Nothing was left out.' : `Left out on this machine: ${leftOut.join('; ')}.`)
const mustRunAll = process.env['PGHA_TEST_REQUIRE'] === 'all'
if (mustRunAll && leftOut.length > 0) say('PGHA_TEST_REQUIRE=all: what is left out counts as failed.')
process.exitCode = failed.length > 0 || (mustRunAll && leftOut.length > 0) ? 1 : 0
