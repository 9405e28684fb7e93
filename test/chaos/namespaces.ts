/**
 * The chaos run in namespaces of its own: network, mounts, processes, System V memory. Test support. The program starts
 * itself once more inside; whatever it makes there ends with it, and nothing of the machine is touched.
 */
import { spawn, spawnSync } from 'node:child_process'
import process from 'node:process'
import { repmgrAvailable } from '../support/repmgr-binaries.ts'
import { wallClocksAvailable } from './wall-clock.ts'

/** Also what network-host.ts asks for, before it makes an Ethernet. */
const INSIDE = 'PGHA_TEST_OWN_NETWORK'
const UNSHARE = ['--net', '--mount', '--pid', '--ipc', '--fork', '--kill-child', '--mount-proc']
// A shell is process 1 there, since that one has to reap what others leave: a server that is a zombie would count as running.
const INIT = ['sh', '-c', '"$@"; exit $?', 'sh']

/** Whether this process is inside. */
export function isInside(): boolean {
  return process.env[INSIDE] === '1'
}

/** `true`, or in one sentence what is missing for a chaos run on this machine. */
export function chaosAvailable(): true | string {
  if (process.platform !== 'linux') return 'only Linux has network namespaces'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const needed = [
    ['unshare', 'util-linux'],
    ['ip', 'iproute2'],
    ['iptables', 'iptables'],
    ['python3', 'python3'],
  ] as const
  for (const [program, name] of needed) {
    if (spawnSync(program, ['--version']).error !== undefined) return `install the package ${name}`
  }
  const missing = [repmgrAvailable(), wallClocksAvailable()].find((each) => each !== true)
  if (missing !== undefined) return missing
  const tried = ['ip', 'link', 'add', 'try', 'type', 'bridge']
  const { status, stderr } = spawnSync('unshare', [...UNSHARE, ...tried], { encoding: 'utf8' })
  return status === 0 ? true : `no network can be made (${stderr.trim()})`
}

/** Runs `script` inside, to its end; gives its exit code. SIGINT and SIGTERM end what is inside, once it has cleared up. */
export async function runInside(script: string, args: readonly string[]): Promise<number> {
  const command = [...UNSHARE, ...INIT, process.execPath, script, ...args]
  const child = spawn('unshare', command, { env: { ...process.env, [INSIDE]: '1' }, stdio: 'inherit' })
  // The terminal tells everybody; whoever tells only us means all.
  const stop = () => child.kill('SIGKILL')
  const ignore = () => {}
  process.on('SIGINT', ignore).on('SIGTERM', stop)
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode) => resolve(exitCode ?? 1))
  })
  process.off('SIGINT', ignore).off('SIGTERM', stop)
  return code
}
