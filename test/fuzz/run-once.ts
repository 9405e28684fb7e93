/**
 * One input through one target: what it threw, what was thrown beside it (an event handler, a promise nobody waits for, a
 * warning of Node), and whether it took absurdly long. Test support.
 */
import process from 'node:process'
import { BrokenPromise, type FuzzTarget } from './target.ts'

/** CPU time beyond which an input of a few kilobytes counts as an attack that succeeds, unless the target says otherwise. */
const CPU_MS_MAX = 400

/** Errors that no `run` could catch. Installed once in a process: see `watchStrayErrors`. */
const stray: Error[] = []

/** Collects what would end the process, or be printed as a warning, as failures of the input that caused it. */
export function watchStrayErrors(): () => void {
  const note = (error: unknown): void => {
    stray.push(error instanceof Error ? error : new BrokenPromise(`something that is no error was thrown: ${error}`))
  }
  const noteWarning = (warning: Error): void => {
    // Node's own, about features that this program uses on purpose.
    if (warning.name !== 'ExperimentalWarning') stray.push(warning)
  }
  process.on('uncaughtException', note).on('unhandledRejection', note).on('warning', noteWarning)
  return () => {
    process.off('uncaughtException', note).off('unhandledRejection', note).off('warning', noteWarning)
  }
}

/** `null` when every promise was kept. */
export async function runOnce(target: FuzzTarget, input: Buffer): Promise<Error | null> {
  const { cpuMsMax = CPU_MS_MAX } = target
  const startedAt = performance.now()
  let failure = await attempt(target, input)
  if (performance.now() - startedAt > cpuMsMax) failure ??= await judgeTime(target, input, cpuMsMax)
  const [beside] = stray.splice(0)
  return failure ?? beside ?? null
}

async function attempt(target: FuzzTarget, input: Buffer): Promise<Error | null> {
  try {
    await target.run(input)
    return null
  } catch (error) {
    return error instanceof Error ? error : new BrokenPromise(`something that is no error was thrown: ${error}`)
  }
}

/** The machine may have been busy with something else: the better of two more runs counts, in CPU time. */
async function judgeTime(target: FuzzTarget, input: Buffer, cpuMsMax: number): Promise<Error | null> {
  let bestMs = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < 2; turn += 1) {
    const before = process.cpuUsage()
    await attempt(target, input)
    const { user, system } = process.cpuUsage(before)
    bestMs = Math.min(bestMs, (user + system) / 1000)
  }
  return bestMs > cpuMsMax ? new BrokenPromise(`it takes longer than ${cpuMsMax} ms of CPU`) : null
}

/** What makes two failures the same: the kind and the words of it, without its numbers and quotations. */
export function symptomOf(error: Error): string {
  return `${error.name}: ${error.message.split('\n', 1)[0]?.replace(/"[^"]*"|\d+/g, '#')}`
}
