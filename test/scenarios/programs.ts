/**
 * PostgreSQL's own client programs, run as a person would run them. Test support.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { findBinaries, findTool } from '../support/postgres-binaries.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'

/** Where and how a program connects, beyond the application's login. */
export interface ProgramOptions {
  readonly target: { readonly host: string; readonly port: number }
  /** PGSSLMODE and the like; wins over the defaults. */
  readonly env?: Readonly<Record<string, string>>
  readonly input?: Readable
  /** Then it is killed; default 60 000 ms. */
  readonly timeoutMs?: number
}

/** How it ended and what it said. */
export interface ProgramResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** `true`, or why tests that need these programs cannot run here. */
export function programsAvailable(...names: readonly string[]): true | string {
  const binaries = findBinaries('system')
  if ('missing' in binaries) return binaries.missing
  const missing = names.filter((name) => findTool(binaries, name) === null)
  return missing.length === 0 || `PostgreSQL ${binaries.version} comes without ${missing.join(', ')}`
}

/** Starts a program; the caller waits for its end. */
export function startProgram(name: string, args: readonly string[], options: ProgramOptions): ChildProcess {
  const binaries = findBinaries('system')
  const program = 'missing' in binaries ? null : findTool(binaries, name)
  if (program === null) throw new Error(`there is no ${name}`)
  const { user, password, database } = APPLICATION_LOGIN
  return spawn(program, args, {
    env: {
      PATH: process.env['PATH'],
      LC_ALL: 'C',
      PGHOST: options.target.host,
      PGPORT: String(options.target.port),
      PGUSER: user,
      PGPASSWORD: password,
      PGDATABASE: database,
      PGCONNECT_TIMEOUT: '20',
      // Nothing of the person who runs the tests.
      HOME: '/nonexistent',
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL',
  })
}

/** Runs a program to its end. Does not reject when it fails. */
export async function runProgram(
  name: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramResult> {
  const child = startProgram(name, args, options)
  const end = endOf(child)
  if (options.input === undefined) child.stdin?.end()
  else if (child.stdin !== null) await pipeline(options.input, child.stdin).catch(() => {})
  return await end
}

/** How a started program ends. Call before anything else is awaited. */
export async function endOf(child: ChildProcess): Promise<ProgramResult> {
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin?.on('error', () => {})
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, ...output }
}

/** Runs a program and gives the length and SHA-256 of what it writes. Rejects when it fails. */
export async function digestOutput(
  name: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<{ readonly byteCount: number; readonly sha256: string }> {
  const child = startProgram(name, args, options)
  child.stdin?.end()
  const hash = createHash('sha256')
  let byteCount = 0
  child.stdout?.on('data', (piece: Buffer) => {
    byteCount += piece.length
    hash.update(piece)
  })
  let stderr = ''
  child.stderr?.on('data', (piece: Buffer) => {
    stderr += piece.toString()
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`)
  return { byteCount, sha256: hash.digest('hex') }
}
