/**
 * How much memory a process holds, and held at most, as the kernel counts it. Test support. Linux only.
 */
import { readFileSync, writeFileSync } from 'node:fs'

/** Resident memory of the process now, in MiB. */
export function residentMiB(pid: number | undefined): number {
  return read(pid, 'VmRSS')
}

/**
 * Forgets the peak so far. The returned function gives the highest resident memory since then, in MiB: the kernel keeps
 * it, so nothing between two looks is missed.
 */
export function watchPeak(pid: number | undefined): () => number {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  return () => read(pid, 'VmHWM')
}

function read(pid: number | undefined, key: string): number {
  const kibibytes = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/status has no ${key}`)
  return Number(kibibytes) / 1024
}
