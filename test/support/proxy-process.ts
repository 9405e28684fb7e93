/**
 * The proxy as users run it: `src/cli/bin.ts --config FILE` in a process of its own, with its log read line by line.
 * Test support. Also runs the other commands (`check`, `status` …) to their end.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { waitFor } from './condition.ts'
import { signalProcess } from './process-tree.ts'
import type { ProxyConfig } from './proxy-config.ts'
import { reapOnExit } from './reaper.ts'

const BIN = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))

/** One line of the proxy's JSON log, as pino writes it. */
export type LogRecord = Readonly<Record<string, unknown>> & { readonly level?: unknown; readonly msg?: unknown }

/** How a process ended: by `process.exit(code)` or by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** How to start it, beyond the configuration. */
export interface ProxyProcessOptions {
  /** Further arguments, such as `--observe`. */
  readonly args?: readonly string[]
  /** On top of this process's environment. */
  readonly env?: NodeJS.ProcessEnv
  /** Options of Node itself, such as `--expose-gc`. */
  readonly nodeArgs?: readonly string[]
  /** Another entry than `src/cli/bin.ts`, such as the one that was built. */
  readonly bin?: string
  /** A program with its arguments that is put in front and has to become the proxy by exec. */
  readonly launcher?: readonly string[]
}

/** A running proxy. The test that started it calls `destroy`. */
export class ProxyProcess {
  readonly config: ProxyConfig
  /** How it ended, when it and all its successors have, and all they said has been read. Never rejects. */
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  /** Successors, by pid, that were started by an upgrade and may still run. */
  readonly #successors = new Map<number, () => void>()
  #mainPid: number | undefined
  readonly #log: LogRecord[] = []
  readonly #otherLines: string[] = []
  #exit: Exit | null = null

  /** Starts the proxy; does not wait for anything. */
  constructor(config: ProxyConfig, options: ProxyProcessOptions = {}) {
    this.config = config
    const { nodeArgs = [], bin = BIN, args = [], launcher = [] } = options
    const command = [...launcher, process.execPath, ...nodeArgs, bin, '--config', config.file, ...args]
    this.#child = spawn(command[0] ?? process.execPath, command.slice(1), {
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) if (stream !== null) this.#read(stream)
    const { pid } = this.#child
    this.#mainPid = pid
    const release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit) => {
        this.#exit = exit
        release()
        for (const releaseSuccessor of this.#successors.values()) releaseSuccessor()
        resolve(exit)
      }
      this.#child.once('close', (code, signal) => end({ code, signal }))
      this.#child.once('error', (error) => {
        this.#otherLines.push(String(error))
        end({ code: null, signal: null })
      })
    })
  }

  /** That of the process that accepts; `undefined` when it could not be started at all. */
  get pid(): number | undefined {
    return this.#mainPid
  }

  get isRunning(): boolean {
    return this.#exit === null
  }

  /** Every JSON line so far, oldest first. */
  get log(): readonly LogRecord[] {
    return this.#log
  }

  /** Every line so far that is not JSON: usage errors, stack traces, warnings of Node. */
  get otherOutput(): string {
    return this.#otherLines.join('\n')
  }

  /** The first record, from index `since` of the log on, that the predicate accepts. Rejects when the proxy ends. */
  async waitForLog(
    description: string,
    predicate: (record: LogRecord) => boolean,
    options: { readonly since?: number; readonly timeoutMs?: number } = {},
  ): Promise<LogRecord> {
    const { since = 0, timeoutMs = 10_000 } = options
    const look = () => this.#log.slice(since).find(predicate) ?? (this.isRunning ? null : 'ended')
    const found = await waitFor(`the proxy to log ${description}`, look, { timeoutMs, intervalMs: 5 }).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}\n${this.tail()}`, { cause: error })
      },
    )
    if (found === null || found === 'ended') {
      throw new Error(`the proxy ended before it logged ${description}\n${this.tail()}`)
    }
    return found
  }

  /** `GET path` on the admin server. Gives whatever status it answers. */
  async get(path: string): Promise<Response> {
    return await fetch(`${this.config.adminUrl}${path}`, { signal: AbortSignal.timeout(5_000) })
  }

  /** `POST path` with the token, and a JSON body when there is one. */
  async post(path: string, body?: unknown): Promise<Response> {
    return await fetch(`${this.config.adminUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.config.adminToken}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(5_000),
    })
  }

  /** `GET /api/status`, parsed. Rejects when it is not answered with 200. */
  async status(): Promise<Readonly<Record<string, unknown>>> {
    const response = await this.get('/api/status')
    if (!response.ok) throw new Error(`GET /api/status answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as Record<string, unknown>
  }

  /** Waits until `GET /readyz` answers 200: a primary is proven and the listeners are open. */
  async waitUntilReady(timeoutMs = 15_000): Promise<void> {
    const look = async () => {
      if (!this.isRunning) return 'ended'
      return (await this.get('/readyz')).status === 200 ? 'ready' : null
    }
    const outcome = await waitFor('the proxy to be ready', look, { timeoutMs, until: (seen) => seen !== null }).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}\n${this.tail()}`, { cause: error })
      },
    )
    if (outcome === 'ended') throw new Error(`the proxy ended before it was ready\n${this.tail()}`)
  }

  signal(name: NodeJS.Signals): void {
    if (this.#mainPid === this.#child.pid) this.#child.kill(name)
    else if (this.#mainPid !== undefined) signalProcess(this.#mainPid, name)
  }

  /** SIGUSR2; waits until the successor has taken over, which is `pid` from then on. Returns the pid of the one before. */
  async upgrade(timeoutMs = 20_000): Promise<number> {
    const before = this.#mainPid
    const since = this.#log.length
    this.signal('SIGUSR2')
    const isOver = ({ msg }: LogRecord) => msg === 'took over' || msg === 'the upgrade failed: this process goes on'
    const { msg } = await this.waitForLog('the end of the upgrade', isOver, { since, timeoutMs })
    if (msg !== 'took over' || before === undefined) throw new Error(`the upgrade failed\n${this.tail()}`)
    return before
  }

  /** SIGTERM, and how it ended. Rejects when it takes longer than `timeoutMs` (it still runs then). */
  async stop(timeoutMs = 10_000): Promise<Exit> {
    this.signal('SIGTERM')
    await waitFor('the proxy to end', () => !this.isRunning, { timeoutMs, intervalMs: 5 })
    return await this.exited
  }

  /** SIGKILL when it still runs; resolves when it is gone. May be called again. */
  async destroy(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGKILL')
    // Whoever is killed cannot start another one any more.
    for (const pid of this.#successors.keys()) signalProcess(pid, 'SIGKILL')
    await this.exited
  }

  /** The last of what it said, for the message of a failure. */
  tail(lineCount = 20): string {
    const records = this.#log.slice(-lineCount).map((record) => JSON.stringify(record))
    return [...records, ...this.#otherLines.slice(-lineCount)].join('\n')
  }

  #read(stream: Readable): void {
    createInterface({ input: stream }).on('line', (line) => {
      const record = parseRecord(line)
      if (record === null) this.#otherLines.push(line)
      else {
        this.#log.push(record)
        this.#follow(record)
      }
    })
  }

  #follow({ msg, successor }: LogRecord): void {
    if (typeof successor !== 'number') return
    if (msg === 'upgrade: a successor was started') {
      this.#successors.set(successor, reapOnExit({ kind: 'process', pid: successor }))
    }
    if (msg === 'handed over: draining') this.#mainPid = successor
  }
}

/** Runs another command of the proxy (`check --config …`, `status`) to its end; both outputs and how it ended. */
export async function runProxyCommand(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number } = {},
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 30_000,
    killSignal: 'SIGKILL',
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  const exit = await new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  return { ...exit, ...output }
}

function parseRecord(line: string): LogRecord | null {
  if (!line.startsWith('{')) return null
  try {
    return JSON.parse(line) as LogRecord
  } catch {
    return null
  }
}
