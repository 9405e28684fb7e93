/** One client program against one contender from its start to its end, and what the proxy used meanwhile. Benchmark support. */
import { type SpawnOptions, spawn } from 'node:child_process'
import { findBinaries, requireTool } from '../support/postgres-binaries.ts'
import { reapOnExit } from '../support/reaper.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'
import type { Contender } from './contenders/contender.ts'
import { PLAIN } from './pgbench.ts'
import { cpuMs } from './process-usage.ts'

export interface CommandFigures {
  readonly elapsedMs: number
  /** Of the proxy; `null` where there is none. */
  readonly cpuMs: number | null
}

/** `input` and `output`: descriptors of files, or nothing. Rejects when the program does not end with 0. */
export async function runClient(
  name: string,
  args: readonly string[],
  contender: Contender,
  files: { readonly input?: number; readonly output?: number } = {},
): Promise<CommandFigures> {
  const binaries = findBinaries('system')
  if ('missing' in binaries) throw new Error(binaries.missing)
  const { user, database } = APPLICATION_LOGIN
  const { host, port } = contender.target
  const options: SpawnOptions = {
    env: {
      PATH: process.env['PATH'],
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGDATABASE: database,
      ...PLAIN,
    },
    stdio: [files.input ?? 'ignore', files.output ?? 'ignore', 'pipe'],
  }
  const used = (): number => (contender.pid === null ? 0 : cpuMs(contender.pid))
  const before = used()
  const startedAt = performance.now()
  const child = spawn(requireTool(binaries, name), args, options)
  const release = child.pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid: child.pid })
  let said = ''
  child.stderr?.on('data', (piece: Buffer) => {
    said += piece.toString()
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  }).finally(release)
  const elapsedMs = performance.now() - startedAt
  if (code !== 0) throw new Error(`${name} through ${contender.name} ended with ${code}: ${said}`)
  return { elapsedMs, cpuMs: contender.pid === null ? null : used() - before }
}
