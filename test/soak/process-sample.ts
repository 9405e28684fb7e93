/**
 * A process and its descendants from outside, by /proc: memory, file descriptors, threads, CPU time. Test support. Linux
 * only.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'

/** Sums over all the processes. */
export interface ProcessSample {
  readonly rssBytes: number
  /** Pages that several processes share are counted in parts. */
  readonly pssBytes: number
  readonly files: number
  readonly threads: number
  /** Since each began. */
  readonly cpuSeconds: number
}

/** The kernel counts CPU time in ticks of 10 ms, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** The process, its children and so on. */
export function processTree(pid: number): readonly number[] {
  const found = [pid]
  for (const each of found) {
    const text = readOr('', () => readFileSync(`/proc/${each}/task/${each}/children`, 'latin1'))
    found.push(...text.trim().split(' ').filter(Boolean).map(Number))
  }
  return found
}

/** One look. A process that has ended meanwhile counts as nothing. */
export function sampleProcesses(pids: readonly number[]): ProcessSample {
  const samples = pids.map((pid) => readOr(null, () => sampleOne(pid))).filter((sample) => sample !== null)
  const total = (read: (sample: ProcessSample) => number): number =>
    samples.reduce((sum, sample) => sum + read(sample), 0)
  return {
    rssBytes: total(({ rssBytes }) => rssBytes),
    pssBytes: total(({ pssBytes }) => pssBytes),
    files: total(({ files }) => files),
    threads: total(({ threads }) => threads),
    cpuSeconds: total(({ cpuSeconds }) => cpuSeconds),
  }
}

/** Open files by kind: `socket`, `pipe`, `anon_inode`, `file`. Slow where there are thousands. */
export function filesByKind(pids: readonly number[]): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = {}
  for (const pid of pids) {
    for (const name of readOr<string[]>([], () => readdirSync(`/proc/${pid}/fd`))) {
      const target = readOr(null, () => readlinkSync(`/proc/${pid}/fd/${name}`))
      if (target === null) continue
      const kind = /^(socket|pipe|anon_inode):/.exec(target)?.[1] ?? 'file'
      kinds[kind] = (kinds[kind] ?? 0) + 1
    }
  }
  return kinds
}

/** The limit of open files that this process, and so every one that it starts, cannot exceed. */
export function openFilesMax(): number {
  const line = /^Max open files\s+\d+\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return line === undefined || line === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line)
}

function sampleOne(pid: number): ProcessSample {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kibibytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0)
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // The name of the command may hold spaces and parentheses: field 3 begins after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return {
    rssBytes: kibibytes('Rss') * 1024,
    pssBytes: kibibytes('Pss') * 1024,
    files: openFiles(pid),
    threads: Number(fields[17]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
  }
}

/** Since Linux 6.2 the size of the folder is the number of files; listing 20,000 of them takes 20 ms. */
function openFiles(pid: number): number {
  const folder = `/proc/${pid}/fd`
  return statSync(folder).size || readdirSync(folder).length
}

function readOr<T>(otherwise: T, read: () => T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}
