/**
 * Processes by number: who is alive, who descends from whom, signals to a whole tree. Test support.
 * PostgreSQL's children each lead a session of their own, so signalling a process group reaches only the postmaster.
 * Reads /proc on Linux and `ps` elsewhere.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { waitFor } from './condition.ts'

/** One line of the process table. `state` is the letter of ps(1): `T` stopped, `Z` zombie. */
export interface ProcessEntry {
  readonly pid: number
  readonly parentPid: number
  readonly state: string
}

const HAS_PROC = existsSync('/proc/self/stat')

/** Every process of the machine right now. Zombies are listed. */
export function processTable(): readonly ProcessEntry[] {
  if (!HAS_PROC) return processTableFromPs()
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readEntry(Number(name)))
    .filter((entry) => entry !== null)
}

/** Whether the process runs or is stopped. A zombie is not alive: nothing of it holds memory or sockets. */
export function isAlive(pid: number): boolean {
  const entry = HAS_PROC ? readEntry(pid) : processTableFromPs().find((each) => each.pid === pid)
  return entry !== null && entry !== undefined && entry.state !== 'Z'
}

/** Children, their children and so on, without `pid` itself and without zombies. */
export function descendantsOf(pid: number): readonly number[] {
  const table = processTable().filter((entry) => entry.state !== 'Z')
  const found = [pid]
  for (const ancestor of found) {
    for (const entry of table) if (entry.parentPid === ancestor) found.push(entry.pid)
  }
  return found.slice(1)
}

/** Sends the signal; a process that is gone already is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Stops (SIGSTOP) `pid` and all its descendants, the parent first so that no child is missed. Returns them all. */
export function freezeTree(pid: number): readonly number[] {
  signalProcess(pid, 'SIGSTOP')
  const frozen = new Set([pid])
  for (;;) {
    // A child that forked before its own SIGSTOP shows up in the next round.
    const fresh = descendantsOf(pid).filter((each) => !frozen.has(each))
    if (fresh.length === 0) return [...frozen]
    for (const each of fresh) {
      signalProcess(each, 'SIGSTOP')
      frozen.add(each)
    }
  }
}

/** SIGKILLs `pid` and all its descendants; none escapes by forking meanwhile. Returns their numbers. */
export function killTree(pid: number): readonly number[] {
  const pids = freezeTree(pid)
  for (const each of pids) signalProcess(each, 'SIGKILL')
  return pids
}

/** Resolves when none of the processes is alive; rejects naming those that are. */
export async function waitUntilGone(pids: readonly number[], timeoutMs = 10_000): Promise<void> {
  await waitFor('processes to be gone', () => pids.filter(isAlive), {
    timeoutMs,
    intervalMs: 5,
    until: (alive) => alive.length === 0,
  })
}

/** Resolves when each of the processes is stopped (`T`) or gone. A signal takes effect a moment after it was sent. */
export async function waitUntilFrozen(pids: readonly number[], timeoutMs = 5_000): Promise<void> {
  await waitFor(
    'processes to be stopped',
    () => processTable().filter((entry) => pids.includes(entry.pid) && !'TtZX'.includes(entry.state)),
    { timeoutMs, intervalMs: 2, until: (running) => running.length === 0 },
  )
}

function readEntry(pid: number): ProcessEntry | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  // The command name may hold spaces and parentheses: the fields begin after the last one.
  const [state = '', parentPid = ''] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { pid, parentPid: Number(parentPid), state }
}

function processTableFromPs(): readonly ProcessEntry[] {
  const lines = execFileSync('ps', ['-axo', 'pid=,ppid=,stat='], { encoding: 'utf8' }).trim().split('\n')
  return lines.map((line) => {
    const [pid = '', parentPid = '', state = ''] = line.trim().split(/\s+/)
    return { pid: Number(pid), parentPid: Number(parentPid), state: state.slice(0, 1) }
  })
}
