/**
 * Runs a tool of PostgreSQL or repmgr to its end as the server user. Test support.
 */
import { spawn } from 'node:child_process'
import { asServerUser, serverEnvironment } from './server-user.ts'

/** What a finished command said. `code` is `null` when a signal ended it. */
export interface CommandResult {
  readonly code: number | null
  readonly output: string
}

/** Where and how long a command may run, and which exit codes are fine. */
export interface CommandOptions {
  /** Working folder and HOME; the server user must be able to enter it. */
  readonly folder: string
  /** Default 60 000 ms; then it is killed and the promise rejects. */
  readonly timeoutMs?: number
  /** Exit codes that do not reject; default only 0. */
  readonly okCodes?: readonly number[]
  /** Added to the environment. */
  readonly env?: NodeJS.ProcessEnv
}

/** Runs the command; stdout and stderr come back as one text. Rejects on another exit code, with that text. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const { folder, timeoutMs = 60_000, okCodes = [0] } = options
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...serverEnvironment(folder), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    ...asServerUser(),
  })
  let output = ''
  const keep = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  // "exit", not "close": a server started by the command may keep the pipes open for as long as it lives.
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (exitCode) => setImmediate(() => resolve(exitCode)))
  })
  child.stdout.destroy()
  child.stderr.destroy()
  if (code === null || !okCodes.includes(code)) {
    throw new Error(`${program} ${args.join(' ')} ended with ${code ?? 'a signal'}:\n${output.trimEnd()}`)
  }
  return { code, output }
}
