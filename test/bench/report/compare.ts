/**
 * Many rounds of several contenders -> a table with medians, the least and the most, and ratios against the one that all
 * are compared with in the same round. Pure.
 */
import { ratios, type Spread, spread } from '../statistics.ts'
import type { Table, Target } from './section.ts'

/** What one run of one contender gave, by metric; `null`: it has no such figure (CPU of a proxy that is not there). */
export type Sample = Readonly<Record<string, number | null>>

/** Samples by contender, one for each round, in the order in which they are shown. */
export type Samples = ReadonlyMap<string, readonly Sample[]>

/** A column. */
export interface Metric {
  readonly key: string
  /** With its unit: `transactions/s`. */
  readonly title: string
  readonly digits: number
}

/** Everybody is compared with HAProxy. */
export const REFERENCE = 'HAProxy'

/** `2,345 (2,300 to 2,400)`; the figure alone when there was one round. */
export function showSpread({ median, min, max, count }: Spread, digits: number): string {
  const show = (value: number): string => showNumber(value, digits)
  return count === 1 ? show(median) : `${show(median)} (${show(min)} to ${show(max)})`
}

export function showNumber(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** The values of one metric over the rounds; `null` when the contender has none, or was not measured. */
export function valuesOf(samples: Samples, contender: string, key: string): readonly number[] | null {
  const values = samples.get(contender)?.map((sample) => sample[key] ?? null) ?? []
  return values.length > 0 && values.every((value) => value !== null) ? values : null
}

/** Ratios against `reference`, round by round; `null` when one of both was not measured. */
export function ratioOf(
  samples: Samples,
  key: string,
  contender: string,
  reference: string = REFERENCE,
): readonly number[] | null {
  const [values, references] = [valuesOf(samples, contender, key), valuesOf(samples, reference, key)]
  return values === null || references === null ? null : ratios(values, references)
}

/** One row for each contender; two columns for each metric, the second its ratio where the reference was measured. */
export function comparisonTable(
  title: string,
  samples: Samples,
  metrics: readonly Metric[],
  reference: string = REFERENCE,
): Table {
  const hasReference = samples.has(reference)
  const rows = [...samples.keys()].map((contender) => [
    contender,
    ...metrics.flatMap(({ key, digits }) => {
      const values = valuesOf(samples, contender, key)
      const shown = values === null ? '-' : showSpread(spread(values), digits)
      if (!hasReference) return [shown]
      const ratio = ratioOf(samples, key, contender, reference)
      return [shown, ratio === null ? '-' : showSpread(spread(ratio), 2)]
    }),
  ])
  const columns = metrics.flatMap((metric) => [metric.title, ...(hasReference ? [`x ${reference}`] : [])])
  return { title, columns: ['', ...columns], rows }
}

/** A target for the median of the ratios of pgha-proxy. */
export function ratioTarget(
  what: string,
  samples: Samples,
  key: string,
  limit: Target['limit'],
  pair: { readonly contender?: string; readonly reference?: string } = {},
): Target {
  const { contender = 'pgha-proxy', reference = REFERENCE } = pair
  const values = ratioOf(samples, key, contender, reference)
  if (values === null) return { what, limit, unit: '', value: null, missing: `${reference} was not measured` }
  const { median, min, max } = spread(values)
  return { what, limit, unit: '', value: median, range: [min, max] }
}
