/**
 * Gives processes a share of one core each, by control groups of Linux (version 1 or 2), so that on a small machine each
 * of several can be the limit while the rest of the cores does the work around them. Benchmark support; needs root.
 */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

const PERIOD_US = 20_000
const VERSION_1 = '/sys/fs/cgroup/cpu'
const VERSION_2 = '/sys/fs/cgroup'

/** Shares that were given. `release` lets everybody run free again; it also happens when this process ends. */
export interface CpuShares {
  readonly give: (pid: number, share: number) => void
  readonly release: () => void
}

/** `null` when this machine does not allow it, as in most containers. */
export function makeCpuShares(): CpuShares | null {
  const isVersion1 = existsSync(join(VERSION_1, 'cpu.cfs_quota_us'))
  const root = isVersion1 ? VERSION_1 : VERSION_2
  const given: { readonly folder: string; readonly pid: number }[] = []
  const release = (): void => {
    for (const { folder, pid } of given.splice(0)) {
      try {
        writeFileSync(join(root, 'cgroup.procs'), String(pid))
      } catch {
        // It has ended, so it is in no group any more.
      }
      try {
        rmdirSync(folder)
      } catch {
        // One that still ends holds its group for a moment; an empty group does nothing.
      }
    }
    process.off('exit', release)
  }
  const limit = (folder: string, share: number): void => {
    const quotaUs = Math.round(share * PERIOD_US)
    if (isVersion1) {
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_US))
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(quotaUs))
    } else writeFileSync(join(folder, 'cpu.max'), `${quotaUs} ${PERIOD_US}`)
  }
  const make = (): string => {
    const folder = join(root, `pgha-bench-${process.pid}-${given.length}`)
    mkdirSync(folder)
    return folder
  }
  try {
    const trial = make()
    try {
      limit(trial, 1)
    } finally {
      rmdirSync(trial)
    }
  } catch {
    return null
  }
  process.on('exit', release)
  return {
    give: (pid, share) => {
      const folder = make()
      given.push({ folder, pid })
      limit(folder, share)
      writeFileSync(join(folder, 'cgroup.procs'), String(pid))
    },
    release,
  }
}
