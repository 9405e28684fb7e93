/** Sizes as people write them in the config: `512B`, `64KiB`, `16MiB`, `1GiB`. Pure. Binary units only, as WAL positions are. */
import type { Reading } from './reading.ts'

const UNITS = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
] as const

/** Reads one size into whole bytes, 0 and above. Names the binary unit when `16MB` or a bare number is given. */
export function readSize(text: string): Reading<number> {
  const match = /^(\d{1,9})\s?(B|KiB|MiB|GiB|TiB)$/.exec(text)
  if (match !== null) {
    const [, amount = '', unit = ''] = match
    return { ok: true, value: Number(amount) * (UNITS.find(([name]) => name === unit)?.[1] ?? 1) }
  }
  if (/^\d{1,9}$/.test(text)) return { ok: false, problem: 'has no unit', suggestion: `${text}B` }
  const [, amount = '', prefix = ''] = /^(\d{1,9})\s?([kmgt])i?b?$/i.exec(text) ?? []
  if (amount === '') return { ok: false, problem: 'is not a size', suggestion: null }
  return { ok: false, problem: 'is not in a binary unit', suggestion: `${amount}${prefix.toUpperCase()}iB` }
}

/** Prints bytes, 0 and above, in the largest unit that leaves a whole number: 16777216 is `16MiB`. */
export function formatSize(sizeBytes: number): string {
  if (sizeBytes === 0) return '0B'
  for (const [unit, unitBytes] of UNITS) if (sizeBytes % unitBytes === 0) return `${sizeBytes / unitBytes}${unit}`
  return `${sizeBytes}B`
}
