/**
 * When a benchmark is a failure: a loss that is clear, and no noise. Pure. What is judged are ratios of CPU per unit of
 * work, ours over that of the reference relay in the same round, against the ratio that is kept in the repository.
 */
import { median } from '../statistics.ts'

/** A loss below this is let pass, as nothing here can be told from noise. */
export const LOSS_MAX = 0.15

export type GuardVerdict =
  | { readonly kind: 'fine'; readonly ratio: number; readonly change: number }
  /** So much less than the baseline that the baseline should be taken anew, or it would hide the next loss. */
  | { readonly kind: 'better'; readonly ratio: number; readonly change: number }
  /** Above the limit: to be measured again with more rounds before it counts. */
  | { readonly kind: 'suspect'; readonly ratio: number; readonly change: number }
  | { readonly kind: 'loss'; readonly ratio: number; readonly change: number }

/** `change`: 0.2 is a fifth more CPU than the baseline. `isSecond`: all rounds there will be. Throws without rounds. */
export function judge(ratios: readonly number[], baseline: number, isSecond: boolean): GuardVerdict {
  const ratio = median(ratios)
  const change = ratio / baseline - 1
  if (change > LOSS_MAX) return { kind: isSecond ? 'loss' : 'suspect', ratio, change }
  return { kind: change < -LOSS_MAX ? 'better' : 'fine', ratio, change }
}

/** One line of the report. */
export function describeVerdict(name: string, { kind, ratio, change }: GuardVerdict, baseline: number): string {
  const percent = `${change < 0 ? '' : '+'}${(change * 100).toFixed(1)} %`
  const words = {
    fine: 'fine',
    better: 'better: take the baseline anew with --update',
    suspect: 'suspect: measuring again',
    loss: `LOSS: more than ${LOSS_MAX * 100} % above the baseline`,
  } as const
  return `${name.padEnd(10)} ${ratio.toFixed(3)} x the reference relay, baseline ${baseline.toFixed(3)}: ${percent}, ${words[kind]}`
}
