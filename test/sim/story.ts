/** Faults and findings in words, with their times. Test support. */
import type { Fault } from './plan.ts'

/** `12.345 s`, aligned. */
export function formatTime(ms: number): string {
  return `${(ms / 1000).toFixed(3).padStart(9)} s`
}

export function describeFault({ kind, target, other, proxy, amount }: Fault): string {
  const parts = [kind, target, other === undefined ? undefined : `-> ${other}`]
  if (amount !== undefined) parts.push(`(${amount})`)
  if (proxy !== undefined) parts.push(`at proxy${proxy + 1}`)
  return parts.filter((part) => part !== undefined).join(' ')
}
