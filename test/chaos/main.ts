/**
 * `npm run chaos`: faults on a real cluster under repmgr behind two proxies, in namespaces of its own on this machine, and
 * a check of all that clients were told. `--minutes N`, `--seed S`; `--episode I` plays that one alone; `--keep` keeps the
 * folder with history and logs, which is kept anyway when a promise is broken; `--plan` prints the schedule and does
 * nothing; `--write-docs` puts the table into docs/chaos.md. The same seed gives the same schedule; what a real machine
 * makes of it is not the same to the millisecond.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { readCount } from '../support/read-count.ts'
import { readOptions } from '../support/read-options.ts'
import { removeMemoryGroup } from './memory-shortage.ts'
import { chaosAvailable, isInside, runInside } from './namespaces.ts'
import { runChaos } from './run-chaos.ts'
import { planEpisode } from './schedule.ts'

const options = readOptions({
  minutes: { type: 'string', default: '10' },
  seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  episode: { type: 'string' },
  keep: { type: 'boolean', default: false },
  plan: { type: 'boolean', default: false },
  'write-docs': { type: 'boolean', default: false },
  /** Of the run inside: where all its files are. */
  folder: { type: 'string' },
})

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

const minutes = readCount('minutes', options.minutes)
const seed = readCount('seed', options.seed, 0)
const only = options.episode === undefined ? null : readCount('episode', options.episode, 0)

if (options.plan) {
  for (let index = only ?? 0; index <= (only ?? minutes); index += 1) say(JSON.stringify(planEpisode(seed, index)))
} else if (isInside() && options.folder !== undefined) {
  const settings = {
    folder: options.folder,
    minutes,
    seed,
    only,
    writesDocs: options['write-docs'],
  }
  process.exitCode = await runChaos(settings, say)
} else {
  process.exitCode = await start()
}

async function start(): Promise<number> {
  const available = chaosAvailable()
  if (available !== true) {
    process.stderr.write(`the chaos run cannot be done here: ${available}\n`)
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'pgha-chaos-'))
  const args = process.argv.slice(2).filter((arg, index, all) => arg !== '--seed' && all[index - 1] !== '--seed')
  const code = await runInside(import.meta.filename, [...args, '--seed', String(seed), '--folder', folder])
  removeMemoryGroup(folder)
  if (code === 0 && !options.keep) rmSync(folder, { recursive: true, force: true })
  else say(`kept: ${folder}`)
  return code
}
