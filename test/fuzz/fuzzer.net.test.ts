import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { failuresFolder } from './corpus.ts'
import { minimize } from './minimize.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const PLANTED = 'test/fuzz/planted-bug.ts'

interface Ended {
  readonly code: number
  readonly output: string
}

function fuzz(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['test/fuzz/main.ts', ...args], { cwd: ROOT }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, output: stdout + stderr })
    })
  })
}

/** What the report says to run: the file of the failure. */
function replayFile(output: string): string {
  const [, file] = /--replay (\S+)/.exec(output) ?? []
  if (file === undefined) throw new Error(`it found nothing:\n${output}`)
  return file
}

const files = new Set<string>()
afterAll(() => {
  for (const file of files) rmSync(join(ROOT, file), { force: true })
})

describe('the fuzzer', () => {
  it('finds a bug behind checks that chance does not pass, makes it small, and has it again', {
    timeout: 30_000,
  }, async () => {
    const found = await fuzz('--target', PLANTED, '--seconds', '25', '--failures', '1', '--seed', '6')
    const file = replayFile(found.output)
    files.add(file)

    expect(found.output).toContain('RangeError')
    expect(found.code).toBe(1)
    expect(join(ROOT, file).startsWith(failuresFolder())).toBe(true)
    // Five bytes of header, of which the last promises a byte that is not there.
    const input = readFileSync(join(ROOT, file))
    expect([...input.subarray(0, 3)]).toEqual([...Buffer.from('Pg!')])
    expect(input).toHaveLength(5)

    const again = await fuzz('--target', PLANTED, '--replay', file)
    expect(again.output).toContain('RangeError')
    expect(again.code).toBe(1)
  })

  it('says that every promise is kept where it is', { timeout: 30_000 }, async () => {
    const { code, output } = await fuzz('--target', 'sql-state-scanner', '--seconds', '1', '--seed', '1')

    expect(output).toContain('failures 0')
    expect(code).toBe(0)
  })
})

describe('a seed', () => {
  it('gives the same inputs again', () => {
    const draw = (): string[] => {
      const source = {
        random: new Random(7),
        dictionary: [Buffer.from('x')],
        corpus: [Buffer.from('seed')],
        inputBytesMax: 99,
      }
      return Array.from({ length: 50 }, () => mutate(Buffer.from('parent'), source).toString('latin1'))
    }

    expect(draw()).toEqual(draw())
    expect(new Set(draw()).size).toBeGreaterThan(25)
  })
})

describe('minimize', () => {
  it('leaves what is needed, and the plainest bytes elsewhere', async () => {
    const needsBoth = async (input: Buffer): Promise<boolean> => input.indexOf('{') >= 0 && input.indexOf('}') > 3

    const small = await minimize(Buffer.from('some { words } here'), needsBoth, { attemptsMax: 1_000, msMax: 5_000 })
    expect(small.toString('latin1')).toBe('{\0\0\0}')
  })
})
