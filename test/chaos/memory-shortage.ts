/**
 * Has the kernel kill a process for want of memory, and it alone: a memory cgroup of its own, with little memory and a
 * file in memory that grows. Test support. Needs cgroup version 1; elsewhere the process gets a SIGKILL, and that is said.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { waitFor } from '../support/condition.ts'
import { isAlive, signalProcess, waitUntilGone } from '../support/process-tree.ts'

const CGROUPS = '/sys/fs/cgroup/memory'
const LIMIT_MIB = 64
const FILL = 'echo $$ > "$1/cgroup.procs" && exec dd if=/dev/zero of="$2" bs=1M count=96'

/** `true`, or why there is only SIGKILL. */
export function memoryShortageAvailable(): true | string {
  return existsSync(join(CGROUPS, 'cgroup.procs')) ? true : 'no memory cgroup of version 1 here, so by SIGKILL'
}

/** Resolves when the process is gone. `folder`: of the run, and the name of the group. */
export async function killForMemory(pid: number, folder: string): Promise<void> {
  if (memoryShortageAvailable() !== true) {
    signalProcess(pid, 'SIGKILL')
    return await waitUntilGone([pid])
  }
  const group = groupOf(folder)
  const ballast = join(folder, 'ballast')
  mkdirSync(group, { recursive: true })
  mkdirSync(ballast, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${LIMIT_MIB * 2}m`, 'ballast', ballast])
  try {
    writeFileSync(join(group, 'memory.limit_in_bytes'), `${LIMIT_MIB}M`)
    // Whoever is to die goes first; the one who fills follows, when the first was not enough.
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000')
    writeFileSync(join(group, 'cgroup.procs'), String(pid))
    spawnSync('sh', ['-c', FILL, 'sh', group, join(ballast, 'file')], { stdio: 'ignore' })
    await waitUntilGone([pid])
  } finally {
    if (isAlive(pid)) writeFileSync(join(CGROUPS, 'cgroup.procs'), String(pid))
    rmSync(join(ballast, 'file'), { force: true })
    execFileSync('umount', [ballast])
    // The one who filled it may take a moment to go.
    await waitFor('the memory group to be gone', () => removeMemoryGroup(folder), { until: () => true })
  }
}

/** What a run that was interrupted has left. */
export function removeMemoryGroup(folder: string): void {
  const group = groupOf(folder)
  if (existsSync(group)) rmdirSync(group)
}

function groupOf(folder: string): string {
  return join(CGROUPS, basename(folder))
}
