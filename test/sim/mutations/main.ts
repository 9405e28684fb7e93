/**
 * `npm run sim:mutations`: puts each bug of mutations.ts into a copy of the tree and demands that the simulator finds it.
 * `--hours N` and `--seed S` for each run, `--only TEXT` for those whose name contains it.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { readCount } from '../../support/read-count.ts'
import { readOptions } from '../../support/read-options.ts'
import { MUTATIONS, type Mutation } from './mutations.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')

const options = readOptions({
  hours: { type: 'string', default: '1200' },
  seed: { type: 'string', default: '1' },
  only: { type: 'string', default: '' },
})

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const folder = mkdtempSync(join(tmpdir(), 'pgha-mutations-'))
try {
  for (const part of [
    'src',
    'test/sim',
    'test/fuzz/random.ts',
    'test/support/read-count.ts',
    'test/support/read-options.ts',
    'package.json',
  ]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  process.exitCode = await runAll()
} finally {
  rmSync(folder, { recursive: true })
}

async function runAll(): Promise<number> {
  readCount('hours', options.hours)
  readCount('seed', options.seed, 0)
  const chosen = MUTATIONS.filter(({ name }) => name.includes(options.only))
  if (chosen.length === 0) throw new Error(`--only: no bug has ${JSON.stringify(options.only)} in its name`)
  const unchanged = await simulate()
  if (unchanged.isBroken) {
    say(`the tree as it is breaks a promise: ${unchanged.finding}`)
    return 1
  }
  say('| bug | found by | cluster-hours | s |')
  say('|---|---|---|---|')
  let missed = 0
  for (const mutation of chosen) {
    const startedAt = performance.now()
    const { isBroken, finding, hours } = await withBug(mutation)
    if (!isBroken) missed += 1
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    say(`| ${mutation.name} | ${isBroken ? finding : '**not found**'} | ${hours} | ${seconds} |`)
  }
  say(`${chosen.length - missed} of ${chosen.length} found`)
  return missed === 0 ? 0 : 1
}

async function withBug({ file, find, replace }: Mutation): Promise<Finding> {
  const path = join(folder, 'src', file)
  const text = readFileSync(path, 'utf8')
  if (text.split(find).length !== 2) throw new Error(`${file} does not have this text once: ${find}`)
  // Not as a pattern: `$` means nothing in it.
  writeFileSync(
    path,
    text.replace(find, () => replace),
  )
  try {
    return await simulate()
  } finally {
    writeFileSync(path, text)
  }
}

interface Finding {
  readonly isBroken: boolean
  readonly finding: string
  readonly hours: string
}

function simulate(): Promise<Finding> {
  const program = [join(folder, 'test/sim/main.ts'), '--hours', options.hours, '--seed', options.seed]
  return new Promise((resolve) => {
    execFile(process.execPath, [...program, '--quick'], { timeout: 120_000 }, (error, stdout, stderr) => {
      const line = /breaks a promise: (.*)/.exec(stdout)?.[1]
      const hours = /^(\d+) cluster-hours/m.exec(stdout)?.[1] ?? '?'
      // One that does not come to an end is found as well.
      const finding =
        line ??
        (error?.killed === true ? 'it never ends' : (/^\w*Error: .*$/m.exec(stderr)?.[0] ?? 'it ends in another way'))
      resolve({ isBroken: error !== null, finding, hours })
    })
  })
}
