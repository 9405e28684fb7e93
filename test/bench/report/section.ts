/** What a workload reports, before it is text. Pure; the words of it are docs/benchmarks.md's. */

/** One result of the kind: reached or not. `value: null` when it was not measured, for the reason given. */
export interface Target {
  readonly what: string
  readonly limit: { readonly kind: 'at-most' | 'at-least'; readonly value: number }
  readonly unit: string
  readonly value: number | null
  /** Least and most over the rounds, where there were several. */
  readonly range?: readonly [number, number]
  /** Why there is no value. */
  readonly missing?: string
}

/** Cells are text; the first column names the row. */
export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** All of one workload. */
export interface Section {
  /** The workload's name on the command line. */
  readonly id: string
  readonly title: string
  /** Sentences above the tables: what was done, and what was left out and why. */
  readonly notes: readonly string[]
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
}

/** Whether the value keeps the limit; `null` when there is none. */
export function isReached({ limit, value }: Target): boolean | null {
  if (value === null || Number.isNaN(value)) return null
  return limit.kind === 'at-most' ? value <= limit.value : value >= limit.value
}
