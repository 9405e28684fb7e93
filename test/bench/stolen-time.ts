/** How much of the processors' time went to other virtual machines of the same host, so that a noisy run shows as one. Benchmark support. */
import { readFileSync } from 'node:fs'

/** Since the start of the machine, in the kernel's ticks. */
export interface ProcessorTimes {
  /** Somebody ran here. */
  readonly busy: number
  /** Somebody wanted to run here, and the host ran another machine. */
  readonly stolen: number
}

/** The first line of /proc/stat, see proc_stat(5): user nice system idle iowait irq softirq steal … */
export function parseProcessorTimes(stat: string): ProcessorTimes {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, stolen = 0] = (/^cpu +(.*)/.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number)
  return { busy: user + nice + system + irq + softirq, stolen }
}

/** `null` where there is no /proc/stat. */
export function processorTimes(): ProcessorTimes | null {
  try {
    return parseProcessorTimes(readFileSync('/proc/stat', 'utf8'))
  } catch {
    return null
  }
}

/** Of the time that was wanted in between, the part that was taken, 0 to 1; 0 when that is not known. */
export function stolenShare(before: ProcessorTimes | null, after: ProcessorTimes | null): number {
  if (before === null || after === null) return 0
  const stolen = after.stolen - before.stolen
  const wanted = after.busy - before.busy + stolen
  return wanted === 0 ? 0 : stolen / wanted
}

/** For a reader; empty when it is not known. */
export function describeStolen(before: ProcessorTimes | null, after: ProcessorTimes | null): string {
  if (before === null || after === null) return ''
  return `; ${(100 * stolenShare(before, after)).toFixed(1)} % of the processors' time went to other machines`
}
