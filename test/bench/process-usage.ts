/**
 * What a program has used so far: processor time and memory of a process and all its children, as the kernel counts
 * them. Benchmark support. Linux only.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { descendantsOf } from '../support/process-tree.ts'

/** Milliseconds of one tick in /proc/PID/stat: USER_HZ is 100 on every architecture that Node runs on. */
const TICK_MS = 10

/**
 * User and system time of the process and of all its children, also of those that have ended and were waited for, in
 * milliseconds. Exact to one tick (10 ms) for each process. Throws when the process is gone.
 */
export function cpuMs(pid: number): number {
  let ticks = ticksOf(pid)
  for (const child of descendantsOf(pid)) {
    try {
      ticks += ticksOf(child)
    } catch {
      // It ended between the two looks: its time is its parent's now, and in the next figure.
    }
  }
  return ticks * TICK_MS
}

function ticksOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // Behind the name, which may hold spaces: field 3 is the first. 14 to 17: utime, stime, cutime, cstime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return [14, 15, 16, 17].reduce((sum, field) => sum + Number(fields[field - 3]), 0)
}

/**
 * Memory of the process and its children in KiB, what they share counted in part (PSS), without programs and libraries:
 * those count for less whenever somebody else on the machine runs the same.
 */
export function memoryKiB(pid: number): number {
  return [pid, ...descendantsOf(pid)].reduce((sum, each) => {
    const text = readFileSync(`/proc/${each}/smaps_rollup`, 'utf8')
    const read = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(text)?.[1])
    return sum + read('Pss') - read('Pss_File')
  }, 0)
}

/** How many files a process started here may have open. */
export function openFilesMax(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit)
}

/**
 * User and system time of all threads of one process, without its children, in nanoseconds: for short measurements, in
 * which a tick is long. A thread that ended takes its time with it.
 */
export function cpuThreadsNs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    return sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
  }, 0)
}
