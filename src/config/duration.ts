/**
 * Durations as people write them in the config: a number with its unit, `250ms`, `2s`, `5m`, `1h`. Pure. A number
 * without a unit is refused on purpose: in nginx it is seconds, in PostgreSQL milliseconds.
 */
import type { Reading } from './reading.ts'

const UNITS = [
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const

/** Decimals are allowed where they come out as whole milliseconds: `1.5s` is 1500 ms. */
const DURATION_PATTERN = /^(\d{1,16})(?:\.(\d{1,3}))?\s?(ms|s|m|h)$/

/** Reads one duration into whole milliseconds, 0 and above. Refuses what has no unit, a sign, or parts of a millisecond. */
export function readDuration(text: string): Reading<number> {
  const match = DURATION_PATTERN.exec(text)
  if (match === null) {
    if (/^\d{1,9}$/.test(text))
      return { ok: false, problem: 'has no unit', suggestion: text === '0' ? '0s' : `${text}ms` }
    return { ok: false, problem: 'is not a duration', suggestion: null }
  }
  const [, whole = '', fraction = '', unit = ''] = match
  const unitMs = UNITS.find(([name]) => name === unit)?.[1] ?? 1
  // Whole numbers throughout: 0.001 * 1000 is not exactly 1 in binary fractions.
  const microseconds = BigInt(whole + fraction.padEnd(3, '0')) * BigInt(unitMs)
  if (microseconds % 1_000n !== 0n) {
    return { ok: false, problem: 'is not a whole number of milliseconds', suggestion: null }
  }
  const durationMs = Number(microseconds / 1_000n)
  if (!Number.isSafeInteger(durationMs)) return { ok: false, problem: 'is not a duration', suggestion: null }
  return { ok: true, value: durationMs }
}

/** Prints milliseconds, 0 and above, in the largest unit that leaves a whole number: 90000 is `90s`, 0 is `0s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s'
  for (const [unit, unitMs] of UNITS) if (durationMs % unitMs === 0) return `${durationMs / unitMs}${unit}`
  return `${durationMs}ms`
}
