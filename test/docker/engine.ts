/**
 * The Docker engine as tests use it: what testcontainers does not offer is done by the `docker` command, in the words
 * that people type. Everything made here carries a label with its run, by which leftovers are found. Test support.
 */
import { execFile, spawnSync } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

const TEST_LABEL = 'io.pgha-proxy.test'
/** The environment variable that tells the workers of a run its process id. */
export const RUN_VARIABLE = 'PGHA_TEST_RUN'
const OWN_RUN = process.env[RUN_VARIABLE] ?? String(process.pid)

/** On every container, network and volume that tests make: the process id of the run. */
export const TEST_LABELS: Readonly<Record<string, string>> = { [TEST_LABEL]: OWN_RUN }
/** The same for docker's command line. */
export const LABEL_OPTION = ['--label', `${TEST_LABEL}=${OWN_RUN}`] as const

/** `true`, or why container tests cannot run here. */
export function engineAvailable(): true | string {
  const { status, error, stderr } = spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], {
    encoding: 'utf8',
    timeout: 15_000,
  })
  if (error !== undefined) return 'there is no docker command'
  if (status !== 0) return `no Docker engine answers: ${stderr.trim().split('\n').at(-1) ?? ''}`
  return true
}

/** `true`, or why the compose project cannot run here. */
export function composeAvailable(): true | string {
  const { status } = spawnSync('docker', ['compose', 'version'], { timeout: 15_000 })
  return status === 0 ? true : 'there is no docker compose (version 2)'
}

/** Runs a docker command to its end; gives standard output. Rejects with what it said on standard error. */
export async function docker(...args: readonly string[]): Promise<string> {
  return await dockerWith({}, ...args)
}

/** The same with more in its environment, as compose projects are set up by it. */
export async function dockerWith(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<string> {
  const { stdout } = await run('docker', args, { maxBuffer: OUTPUT_BYTES_MAX, env: { ...process.env, ...environment } })
  return stdout
}

/** What a container has written to both streams so far, each line after the engine's time. */
export async function containerLogs(id: string): Promise<string> {
  const { stdout, stderr } = await run('docker', ['logs', '--timestamps', id], { maxBuffer: OUTPUT_BYTES_MAX })
  return [...stdout.split('\n'), ...stderr.split('\n')].filter(Boolean).toSorted().join('\n')
}

/** Removes what this run has made. */
export async function removeOwn(): Promise<void> {
  await removeWhere((run) => run === OWN_RUN)
}

/** Removes what runs have left behind that are over, such as one that crashed. Others at work are left alone. */
export async function removeLeftovers(): Promise<void> {
  await removeWhere((run) => !isAlive(Number(run)))
}

const KINDS = [
  { list: ['ps', '--all'], id: '{{.ID}}', remove: ['rm', '--force', '--volumes'] },
  { list: ['network', 'ls'], id: '{{.ID}}', remove: ['network', 'rm'] },
  { list: ['volume', 'ls'], id: '{{.Name}}', remove: ['volume', 'rm', '--force'] },
] as const

async function removeWhere(isMeant: (run: string) => boolean): Promise<void> {
  for (const { list, id, remove } of KINDS) {
    const format = `${id} {{.Label "${TEST_LABEL}"}}`
    const lines = (await docker(...list, '--filter', `label=${TEST_LABEL}`, '--format', format)).split('\n')
    const found = lines.filter(Boolean).map((line) => line.split(' '))
    const ids = found.flatMap(([each = '', run = '']) => (isMeant(run) ? [each] : []))
    if (ids.length > 0) await docker(...remove, ...ids).catch(ignoreMissing)
  }
}

/** Gone already is as good: the engine removes some of them by itself. */
function ignoreMissing(error: Error): void {
  if (!/no such|not found/i.test(error.message)) throw error
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
