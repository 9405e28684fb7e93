/** Bytes, durations and counts as people say them. Pure. */

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `0 B`, `1.5 KiB`, `16 MiB`: at most one decimal, none from 100 on. */
export function formatBytes(bytes: number): string {
  let amount = bytes
  let index = 0
  while (amount >= 1024 && index < BYTE_UNITS.length - 1) {
    amount /= 1024
    index += 1
  }
  return `${formatNumber(amount)} ${BYTE_UNITS[index]}`
}

/** `120 ms`, `3.4 s`, `5 min`, `3 h`, `2 d`: of what lies back, the nearest that says enough. */
export function formatAge(ageMs: number): string {
  if (ageMs < 1_000) return `${Math.max(0, Math.round(ageMs))} ms`
  const seconds = ageMs / 1_000
  if (seconds < 60) return `${formatNumber(seconds)} s`
  const minutes = seconds / 60
  if (minutes < 60) return `${Math.floor(minutes)} min`
  const hours = minutes / 60
  return hours < 48 ? `${Math.floor(hours)} h` : `${Math.floor(hours / 24)} d`
}

/**
 * `0.3 ms`, `120 ms`, `1.59 s`, `5 min 12 s`, `3 h 4 min`: how long something took, finer than an age.
 */
export function formatElapsed(elapsedMs: number): string {
  const ms = Math.max(0, elapsedMs)
  if (ms < 10) return `${Math.floor(ms * 10) / 10} ms`
  if (ms < 1_000) return `${Math.floor(ms)} ms`
  const seconds = ms / 1_000
  if (seconds < 60) return `${(Math.floor(seconds * 100) / 100).toFixed(2)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `1 session`, `2 sessions`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

function formatNumber(amount: number): string {
  // Cut off, not rounded: 59.96 s is not 60 s, and 1023.96 KiB is not 1024 KiB.
  return amount < 100 ? String(Math.floor(amount * 10) / 10) : String(Math.floor(amount))
}
