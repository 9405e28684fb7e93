/** Percentiles, spreads and ratios of measured values, for the benchmark scripts. Pure. */

/** The value below which `fraction` (0 to 1) of the values lie, by nearest rank. Throws when there are none. */
export function percentile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new Error('no values were measured')
  const sorted = values.toSorted((a, b) => a - b)
  const rank = Math.max(1, Math.ceil(fraction * sorted.length))
  return sorted[rank - 1] as number
}

/** The middle value; the mean of the two middle ones of an even number. Throws when there are none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values were measured')
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** Where the values of several rounds lie. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** Throws when there are no values. */
export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), count: values.length }
}

/**
 * Each round's value over the reference's of the same round: what the machine did in that round is in both. Throws when
 * the rounds are not as many, and when a reference is not above 0.
 */
export function ratios(values: readonly number[], references: readonly number[]): readonly number[] {
  if (values.length !== references.length) throw new Error(`${values.length} rounds against ${references.length}`)
  return values.map((value, round) => {
    const reference = references[round] ?? 0
    if (!(reference > 0)) throw new Error(`round ${round + 1} has ${reference} to compare with`)
    return value / reference
  })
}

/** `p50 12.3 ms, p99 45.6 ms, max 46.0 ms (20)`. */
export function summarize(values: readonly number[], unit: string): string {
  const show = (fraction: number): string => `${percentile(values, fraction).toFixed(1)} ${unit}`
  return `p50 ${show(0.5)}, p99 ${show(0.99)}, max ${show(1)} (${values.length})`
}
