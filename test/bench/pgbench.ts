/**
 * Runs pgbench against one contender for a while and takes the figures from its own progress lines, so that neither the
 * connecting of its clients nor their leaving is in them. Benchmark support.
 */
import { createInterface } from 'node:readline'
import { startProgram } from '../scenarios/programs.ts'
import { reapOnExit } from '../support/reaper.ts'
import type { Contender, Target } from './contenders/contender.ts'
import { cpuMs } from './process-usage.ts'

/** Of one run. */
export interface PgbenchFigures {
  readonly tps: number
  /** Of the proxy per transaction, in microseconds; `null` where there is no proxy. */
  readonly cpuUs: number | null
  readonly latencyMs: number
}

export interface PgbenchOptions {
  readonly contender: Contender
  /** Another way to it than its plain one. */
  readonly target?: Target
  readonly args: readonly string[]
  /** Measured, behind a first one that is not. */
  readonly seconds: number
  /** Not counted, at least 1; left out: 1. */
  readonly warmUpSeconds?: number
  readonly env?: Readonly<Record<string, string>>
}

/** One line of `pgbench -P`. */
export interface Progress {
  readonly atSeconds: number
  readonly tps: number
  readonly latencyMs: number
  readonly failed: number
}

const PROGRESS = /^progress: ([\d.]+) s, ([\d.]+) tps, lat ([\d.]+|NaN) ms .*?, (\d+) failed/

/** `null` for any other line. */
export function parseProgress(line: string): Progress | null {
  const [, atSeconds, tps, latencyMs, failed] = PROGRESS.exec(line) ?? []
  if (atSeconds === undefined) return null
  return { atSeconds: Number(atSeconds), tps: Number(tps), latencyMs: Number(latencyMs), failed: Number(failed) }
}

/** Plain unless the run says otherwise: the server has TLS, and libpq would take it. */
export const PLAIN = { PGSSLMODE: 'disable', PGGSSENCMODE: 'disable' } as const

/** Rejects when pgbench ends by itself, or when a transaction fails. */
export async function runPgbench(options: PgbenchOptions): Promise<PgbenchFigures> {
  const { contender, target = contender.target, seconds, warmUpSeconds = 1 } = options
  const limitMs = (warmUpSeconds + seconds + 30) * 1_000
  const child = startProgram('pgbench', ['-n', '-P', '1', '-T', '3600', ...options.args], {
    target,
    env: { ...PLAIN, ...options.env },
    timeoutMs: limitMs,
  })
  const release = child.pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid: child.pid })
  const closed = new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve())
    child.once('error', reject)
  })
  const used = (): number => (contender.pid === null ? 0 : cpuMs(contender.pid))
  const other: string[] = []
  const seen: Progress[] = []
  let [cpuBefore, cpuAfter] = [0, 0]
  child.stdout?.resume()
  if (child.stderr === null) throw new Error('pgbench has no stderr')
  createInterface({ input: child.stderr }).on('line', (line) => {
    const progress = parseProgress(line)
    if (progress === null) {
      other.push(line)
      return
    }
    seen.push(progress)
    if (seen.length === warmUpSeconds) cpuBefore = used()
    if (seen.length !== warmUpSeconds + seconds) return
    cpuAfter = used()
    child.kill('SIGKILL')
  })
  try {
    await closed
  } finally {
    release()
  }
  const measured = seen.slice(warmUpSeconds, warmUpSeconds + seconds)
  const failed = seen.reduce((sum, each) => sum + each.failed, 0)
  if (measured.length < seconds || failed > 0 || other.some((line) => line.includes('error'))) {
    throw new Error(
      `pgbench through ${contender.name}: ${failed} failed, ${seen.length} seconds\n${other.slice(0, 5).join('\n')}`,
    )
  }
  let [transactions, latencySum, lastAt] = [0, 0, seen[warmUpSeconds - 1]?.atSeconds ?? 0]
  const startedAt = lastAt
  for (const { atSeconds, tps, latencyMs } of measured) {
    const count = tps * (atSeconds - lastAt)
    transactions += count
    latencySum += count * latencyMs
    lastAt = atSeconds
  }
  return {
    tps: transactions / (lastAt - startedAt),
    cpuUs: contender.pid === null ? null : ((cpuAfter - cpuBefore) * 1_000) / transactions,
    latencyMs: latencySum / transactions,
  }
}
