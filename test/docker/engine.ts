/**
 * The Docker engine as tests use it: what testcontainers does not offer is done by the `docker` command, in the words
 * that people type. Everything made here carries one label, by which leftovers of a crashed run are found. Test support.
 */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** On every container, network and volume that tests make. */
export const TEST_LABEL = 'io.pgha-proxy.test'

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

/** Runs a docker command to its end; gives standard output. Rejects with what it said on standard error. */
export async function docker(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('docker', args, { maxBuffer: OUTPUT_BYTES_MAX })
  return stdout
}

/** What a container has written to both streams so far, each line after the engine's time. */
export async function containerLogs(id: string): Promise<string> {
  const { stdout, stderr } = await run('docker', ['logs', '--timestamps', id], { maxBuffer: OUTPUT_BYTES_MAX })
  return [...stdout.split('\n'), ...stderr.split('\n')].filter(Boolean).toSorted().join('\n')
}

/** Removes what an earlier run that crashed, or this one, has left behind. */
export async function removeLeftovers(): Promise<void> {
  const ids = async (...args: readonly string[]): Promise<string[]> =>
    (await docker(...args, '--filter', `label=${TEST_LABEL}`)).split('\n').filter(Boolean)
  const containers = await ids('ps', '--all', '--quiet')
  if (containers.length > 0) await docker('rm', '--force', '--volumes', ...containers)
  const networks = await ids('network', 'ls', '--quiet')
  if (networks.length > 0) await docker('network', 'rm', ...networks)
  const volumes = await ids('volume', 'ls', '--quiet')
  if (volumes.length > 0) await docker('volume', 'rm', ...volumes)
}
