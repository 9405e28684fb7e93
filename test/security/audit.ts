/**
 * `npm run audit`: are the dependencies what they should be? Looks at the lockfile, then has npm ask the registry for
 * known vulnerabilities and for signatures. What the registry was not asked counts as failed, unless `--where-answered`
 * is given, for machines whose registry is a mirror without these answers: then it is said, and the rest decides.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { findLockfileFaults, readLockfile, readManifest } from './lockfile.ts'
import { type NpmVerdict, readAdvisories, readSignatures } from './npm-verdict.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** npm itself gives up later than anybody waits. */
const NPM_TIMEOUT_MS = 120_000

const QUESTIONS = [
  {
    name: 'known vulnerabilities in what ships',
    args: ['audit', '--json', '--omit=dev'],
    read: (text: string) => readAdvisories(text, 'low'),
  },
  {
    name: 'known vulnerabilities in what builds and tests it, from moderate on',
    args: ['audit', '--json'],
    read: (text: string) => readAdvisories(text, 'moderate'),
  },
  {
    name: "the registry's signatures and attestations",
    args: ['audit', 'signatures', '--json'],
    read: readSignatures,
  },
] as const

const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** Everything that npm says on standard output, whatever its exit code: that of an audit that found something is 1. */
async function askNpm(args: readonly string[]): Promise<string> {
  const child = spawn('npm', [...args, '--fetch-retries=1', '--fetch-retry-mintimeout=1000'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: NPM_TIMEOUT_MS,
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return output
}

/** Says it; false when it is a reason to fail. */
function tell(name: string, verdict: NpmVerdict, mustBeAsked: boolean): boolean {
  switch (verdict.kind) {
    case 'clean':
      say(`ok           ${name}: nothing found`)
      return true
    case 'found':
      say(`FOUND        ${name}:`)
      for (const line of verdict.lines) say(`             ${line}`)
      return false
    case 'unasked':
      say(`NOT CHECKED  ${name}: ${verdict.problem}`)
      return !mustBeAsked
    default:
      return verdict satisfies never
  }
}

const { values } = parseArgs({ options: { 'where-answered': { type: 'boolean', default: false } } })
const mustBeAsked = !values['where-answered']

const manifest = readManifest(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const lockfile = readLockfile(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
const faults = findLockfileFaults(manifest, lockfile)
const shipped = lockfile.packages.filter(({ ships }) => ships).length
if (faults.length === 0) {
  say(
    `ok           ${lockfile.packages.length} packages are pinned by SHA-512, ${shipped} of them ship, licences decided`,
  )
} else {
  say('FOUND        in package.json and package-lock.json:')
  for (const fault of faults) say(`             ${fault}`)
}

const verdicts: NpmVerdict[] = []
for (const { args, read } of QUESTIONS) verdicts.push(read(await askNpm(args)))
const isFine = QUESTIONS.map(({ name }, index) => {
  const verdict = verdicts[index] ?? { kind: 'unasked', problem: 'it was not asked' }
  return tell(name, verdict, mustBeAsked)
})
const unasked = verdicts.filter(({ kind }) => kind === 'unasked').length
if (unasked > 0) {
  say(
    mustBeAsked
      ? 'The registry has not answered: run it where it does, or say --where-answered and know what was not looked at.'
      : `${unasked} of ${QUESTIONS.length} questions were not answered by this registry. Run npm run audit where they are before a release.`,
  )
}
process.exitCode = faults.length === 0 && isFine.every(Boolean) ? 0 : 1
