/**
 * The soak itself: whether it notices. It runs small, with servers that cost nothing and the sources as they are; what
 * `npm run soak -- --quick` finds in the program that ships is its own affair.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { leftOut } from '../support/left-out.ts'

const MAIN = join(import.meta.dirname, 'main.ts')
const SMALL = '--quick --servers fake --program src --phases passing --idle 1 --busy 0'.split(' ')
const SHORT = '--rate 300 --sessions 450 --patience 1'.split(' ')

interface Outcome {
  readonly code: number | null
  readonly output: string
}

async function soak(args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, output }
}

const onLinux = process.platform === 'linux' || 'only Linux tells descriptors and memory in /proc'

describe.skipIf(leftOut('the soak finds planted leaks', onLinux))('the soak', () => {
  it('fails for a proxy that keeps memory, sockets, timers and files, and names each', {
    timeout: 240_000,
  }, async () => {
    const { code, output } = await soak([...SMALL, ...SHORT, '--leak', 'heap,sockets,timers,files'])
    expect(output).toMatch(/^leak: all phases: live heap: \d+\.\d bytes for each of \d+ sessions/m)
    expect(output).toMatch(/^leak: passing: open files of kind file: never more than/m)
    expect(output).toMatch(/^leak: passing: timers in the heap: never more than/m)
    expect(output).toMatch(/^leak: passing: sockets in the heap: never more than/m)
    expect(code, output).toBe(1)
  })
})
