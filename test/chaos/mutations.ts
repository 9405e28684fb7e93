/**
 * `npm run chaos:mutations`: puts bugs into a copy of the tree, plays an episode in which each of them hurts, and demands
 * that the checker finds it. The bugs are the simulator's; the episodes were chosen by what they need to be seen.
 * `--only TEXT` for those whose name contains it. One takes about a minute.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { MUTATIONS } from '../sim/mutations/mutations.ts'
import { readOptions } from '../support/read-options.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const PARTS = ['src', 'test/chaos', 'test/support', 'test/sim', 'test/fuzz/random.ts', 'package.json']

interface Trial {
  readonly bug: string
  readonly seed: number
  readonly episode: number
}

/** What the episode has: in `npm run chaos -- --plan --seed S --episode E`. */
const TRIALS: readonly Trial[] = [
  { bug: 'nobody is fenced', seed: 1, episode: 2 },
  { bug: 'nobody is released', seed: 1, episode: 1 },
  { bug: 'silence ends sessions', seed: 12, episode: 22 },
]

const { only } = readOptions({ only: { type: 'string', default: '' } })
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const folder = mkdtempSync(join(tmpdir(), 'pgha-chaos-bugs-'))
try {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  process.exitCode = await runAll()
} finally {
  rmSync(folder, { recursive: true })
}

async function runAll(): Promise<number> {
  const chosen = TRIALS.filter(({ bug }) => bug.includes(only))
  if (chosen.length === 0) throw new Error(`--only: no bug has ${JSON.stringify(only)} in its name`)
  say('| bug | seed, episode | found by |')
  say('|---|---|---|')
  let missed = 0
  for (const { bug, seed, episode } of chosen) {
    for (const part of PARTS) cpSync(join(ROOT, part), join(folder, part), { recursive: true })
    putIn(bug)
    const rules = await play(seed, episode)
    if (rules === null) missed += 1
    say(`| ${bug} | ${seed}, ${episode} | ${rules ?? '**not found**'} |`)
  }
  say(`${chosen.length - missed} of ${chosen.length} found`)
  return missed === 0 ? 0 : 1
}

function putIn(name: string): void {
  const mutation = MUTATIONS.find((each) => each.name === name)
  if (mutation === undefined) throw new Error(`no bug is called ${name}`)
  const path = join(folder, 'src', mutation.file)
  const text = readFileSync(path, 'utf8')
  if (text.split(mutation.find).length !== 2) throw new Error(`${mutation.file} does not have ${mutation.find} once`)
  writeFileSync(
    path,
    text.replace(mutation.find, () => mutation.replace),
  )
}

/** The rules that were broken and how often; `null` when none was. */
async function play(seed: number, episode: number): Promise<string | null> {
  const program = [join(folder, 'test/chaos/main.ts'), '--seed', String(seed), '--episode', String(episode)]
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, program, { maxBuffer: 1e9, timeout: 300_000 }, (_, stdout) => resolve(stdout))
  })
  const kept = /^kept: (.*)$/m.exec(output)?.[1]
  if (kept !== undefined) rmSync(kept, { recursive: true, force: true })
  const broken = /^\d+ violations: (.*)$/m.exec(output)?.[1]
  if (broken !== undefined) return broken
  if (/^No promise was broken/m.test(output)) return null
  throw new Error(`the run came to no end:\n${output.slice(-2_000)}`)
}
