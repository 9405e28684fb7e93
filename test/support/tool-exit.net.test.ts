import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { expect, it } from 'vitest'

const TESTS = join(import.meta.dirname, '..')

it.each([
  ['the fuzzer', 'fuzz/main.ts', ['--replay', '/nonexistent'], 'for which target'],
  ['the fuzzer', 'fuzz/main.ts', ['--seconds', 'nonsense'], '--seconds: "nonsense" is no whole number'],
  ['the simulator', 'sim/main.ts', ['--hours', 'nonsense'], '--hours: "nonsense" is no whole number'],
  ['the check by mutations', 'sim/mutations/main.ts', ['--only', 'no such bug'], 'no bug has "no such bug"'],
])(
  '%s (%s %j) fails aloud when it has found nothing because it looked for nothing',
  (_, file, args, words) => {
    const { status, stderr } = spawnSync(process.execPath, [join(TESTS, file), ...args], { encoding: 'utf8' })
    expect(stderr).toContain(words)
    expect(status).toBe(1)
  },
  60_000,
)

it.each(['fuzz/main.ts', 'sim/main.ts', 'sim/mutations/main.ts'])(
  '%s names the options there are when it is given another',
  (file) => {
    const { status, stderr } = spawnSync(process.execPath, [join(TESTS, file), '--sede', '1'], { encoding: 'utf8' })
    expect(stderr).toMatch(/^Unknown option '--sede'.*\nThere are .*--seed/)
    expect(status).toBe(2)
  },
  60_000,
)
