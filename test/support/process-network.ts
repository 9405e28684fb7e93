/**
 * A network of its own for a process: one loopback device that the test can take down, so that whoever talks over it
 * goes silent without a FIN, as a host does that is cut off. Test support. Linux, util-linux and iproute2.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'

const isRoot = process.getuid?.() === 0
/** Whoever is not root becomes root of the new network alone. */
const UNSHARE = isRoot ? ['unshare', '--net'] : ['unshare', '--net', '--user', '--map-root-user']

/** For `ProxyProcess`: puts the proxy into a network of its own. It reaches the others by Unix sockets only. */
export const PROCESS_NETWORK: readonly string[] = [...UNSHARE, 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh']

/** `true`, or why there cannot be one here. */
export function processNetworkAvailable(): true | string {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  const [program = '', ...args] = [...PROCESS_NETWORK, 'nsenter', '--version']
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status === 0) return true
  return `no network namespace can be made (util-linux, iproute2): ${error?.message ?? stderr.trim()}`
}

/** Runs a program in the network of a process, to its end. Throws when it fails. */
export function runInNetworkOf(pid: number | undefined, command: readonly string[]): void {
  const [program = '', ...args] = [...enter(pid), ...command]
  execFileSync(program, args, { stdio: 'pipe' })
}

/** Starts a piece of JavaScript in the network of a process; whoever starts it kills it. */
export function startInNetworkOf(pid: number | undefined, script: string, ...args: readonly string[]): ChildProcess {
  const [program = '', ...rest] = [...enter(pid), process.execPath, '-e', script, ...args]
  return spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
}

function enter(pid: number | undefined): readonly string[] {
  const namespaces = isRoot ? ['--net'] : ['--net', '--user', '--preserve-credentials']
  return ['nsenter', '--target', String(pid), ...namespaces, '--']
}
