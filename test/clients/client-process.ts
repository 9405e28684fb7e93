/**
 * A client program in a process of its own: run to its end for its steps, or left to write while servers come and go.
 * Test support. Whoever starts one that writes stops it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { waitFor } from '../support/condition.ts'
import { reapOnExit } from '../support/reaper.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'
import type { DrivenClient } from './driven-clients.ts'

/** Where the program connects, and whether TLS passes through: `require` or `disable`. */
export interface ClientTarget {
  readonly host: string
  readonly port: number
  readonly sslmode: 'disable' | 'require'
}

/** An invoice that the client was told is written, and the port of the server that took it. */
export interface WrittenLine {
  readonly written: string
  readonly port: number
}

/** An error as the client's own API gives it. */
export interface ErrorLine {
  /** SQLSTATE or the library's own word; `null` when it gives none. */
  readonly code: string | null
  readonly kind: string
  readonly text: string
}

/** Runs the program's mode to its end; the values by step, in the order printed. Rejects when the program fails. */
export async function runSteps(
  client: DrivenClient,
  mode: 'steps' | 'standby',
  target: ClientTarget,
): Promise<ReadonlyMap<string, unknown>> {
  const child = start(client, [mode], target)
  const values = new Map<string, unknown>()
  const said: string[] = []
  readLines(child, (line, source) => {
    const { step, value } = source === 'stdout' ? parse(line) : {}
    if (typeof step === 'string') values.set(step, value)
    else said.push(line)
  })
  const timer = setTimeout(() => killGroup(child, 'SIGKILL'), 50_000)
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  }).finally(() => clearTimeout(timer))
  if (code !== 0) throw new Error(`${client.name} ended with ${code} after ${[...values.keys()]}:\n${said.join('\n')}`)
  return values
}

/** The program's mode `write`: an invoice after the other, in one process, whatever happens meanwhile. */
export class WritingClient {
  readonly client: DrivenClient
  readonly sslmode: ClientTarget['sslmode']
  readonly written: WrittenLine[] = []
  readonly errors: ErrorLine[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #release: () => void
  readonly #other: string[] = []
  #isRunning = true

  constructor(client: DrivenClient, target: ClientTarget) {
    this.client = client
    this.sslmode = target.sslmode
    this.#child = start(client, ['write', this.name.replaceAll(/[^a-z0-9]/gi, '')], target)
    const { pid } = this.#child
    this.#release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    this.#ended = new Promise((resolve) => {
      const end = () => {
        this.#isRunning = false
        resolve()
      }
      this.#child.once('error', end)
      this.#child.once('close', end)
    })
    readLines(this.#child, (line, source) => {
      const parsed = source === 'stdout' ? parse(line) : {}
      if (typeof parsed['written'] === 'string') this.written.push(parsed as unknown as WrittenLine)
      else if (parsed['error'] !== undefined) this.errors.push(parsed['error'] as ErrorLine)
      else this.#other.push(line)
    })
  }

  get name(): string {
    return `${this.client.name} ${this.sslmode}`
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Waits for three more invoices than there are now, from the server on `port`. */
  async waitForMore(port: number): Promise<void> {
    const since = this.written.length
    const look = () => this.written.slice(since).filter((line) => line.port === port).length
    await this.#wait(`${this.name} to write on port ${port}`, () => look() >= 3)
  }

  /** Ends it and all that it started. */
  async stop(): Promise<void> {
    killGroup(this.#child, 'SIGTERM')
    const timer = setTimeout(() => killGroup(this.#child, 'SIGKILL'), 5_000)
    await this.#ended
    clearTimeout(timer)
    this.#release()
  }

  async #wait(description: string, look: () => boolean): Promise<void> {
    await waitFor(description, () => look() || !this.#isRunning, { timeoutMs: 40_000 }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.#tail()}`, { cause: error })
    })
    if (!look()) throw new Error(`${this.name} ended\n${this.#tail()}`)
  }

  #tail(): string {
    return [...this.errors.slice(-3).map((each) => JSON.stringify(each)), ...this.#other.slice(-10)].join('\n')
  }
}

function start(client: DrivenClient, args: readonly string[], target: ClientTarget): ChildProcess {
  const { user, password, database } = APPLICATION_LOGIN
  const [command = '', ...rest] = client.command
  return spawn(command, [...rest, ...args], {
    // A group of its own: psql's program is a shell with children.
    detached: true,
    env: {
      PATH: process.env['PATH'],
      LC_ALL: 'C.UTF-8',
      PGHOST: target.host,
      PGPORT: String(target.port),
      PGSSLMODE: target.sslmode,
      PGUSER: user,
      PGPASSWORD: password,
      PGDATABASE: database,
      // Nothing of the person who runs the tests.
      HOME: '/nonexistent',
      ...client.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

function readLines(child: ChildProcess, take: (line: string, source: 'stdout' | 'stderr') => void): void {
  for (const source of ['stdout', 'stderr'] as const) {
    const input = child[source]
    if (input !== null) createInterface({ input }).on('line', (line) => take(line, source))
  }
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return {}
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
