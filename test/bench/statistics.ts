/** Percentiles of measured values, for the benchmark scripts. Pure. */

/** The value below which `fraction` (0 to 1) of the values lie, by nearest rank. Throws when there are none. */
export function percentile(values: readonly number[], fraction: number): number {
  if (values.length === 0) throw new Error('no values were measured')
  const sorted = values.toSorted((a, b) => a - b)
  const rank = Math.max(1, Math.ceil(fraction * sorted.length))
  return sorted[rank - 1] as number
}

/** `p50 12.3 ms, p99 45.6 ms, max 46.0 ms (20)`. */
export function summarize(values: readonly number[], unit: string): string {
  const show = (fraction: number): string => `${percentile(values, fraction).toFixed(1)} ${unit}`
  return `p50 ${show(0.5)}, p99 ${show(0.99)}, max ${show(1)} (${values.length})`
}
