/**
 * Clients on a host of the Ethernet (network-host.ts), in processes of their own, that say what they see. Test support.
 * Whoever starts one stops it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { waitFor } from '../support/condition.ts'
import type { NetworkHost } from '../support/network-host.ts'
import { reapOnExit } from '../support/reaper.ts'
import { APPLICATION_LOGIN } from '../support/roles.ts'

const PYTHON = '/usr/bin/python3'
const WRITER = join(import.meta.dirname, 'multi-host-writer.py')

/** `true`, or what is missing; for `leftOut`. */
export function networkClientsAvailable(): true | string {
  const { status } = spawnSync(PYTHON, ['-c', 'import psycopg2'], { stdio: 'ignore' })
  return status === 0 ? true : 'install the package python3-psycopg2'
}

/** How a client works; see multi-host-writer.py. */
export type ClientStyle = 'long' | 'fresh' | 'waiting'

/** An invoice that the client was told is written: by which proxy's address, on which server's port. */
export interface NetworkAcknowledgement {
  readonly number: string
  readonly proxy: string
  readonly port: number
  /** When its line was read, by `performance.now()`. */
  readonly at: number
}

/** What went wrong, in libpq's words. */
export interface NetworkClientError {
  readonly text: string
  readonly code: string | null
  readonly at: number
}

let clientCount = 0

/** A client that writes, or waits, whatever happens meanwhile. */
export class NetworkClient {
  readonly acknowledged: NetworkAcknowledgement[] = []
  readonly errors: NetworkClientError[] = []
  /** How long each successful connect took, and to which of its hosts. */
  readonly connects: { readonly host: string; readonly ms: number; readonly at: number }[] = []
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #other: string[] = []

  /** `conninfo`: hosts and times as libpq reads them; the application's login is added. */
  constructor(host: NetworkHost, conninfo: string, style: ClientStyle) {
    const { user, password, database } = APPLICATION_LOGIN
    clientCount += 1
    const name = `${style}${clientCount}`
    const [program = '', ...args] = [...host.launcher, PYTHON, WRITER, conninfo, name, style]
    this.#child = spawn(program, args, {
      env: { PATH: process.env['PATH'], LC_ALL: 'C', PGUSER: user, PGPASSWORD: password, PGDATABASE: database },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { pid } = this.#child
    const release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    this.#ended = new Promise((resolve) => {
      const end = () => {
        release()
        resolve()
      }
      this.#child.once('error', end)
      this.#child.once('close', end)
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#take(line))
    }
  }

  /** Waits for `count` more acknowledgements than there are now, through `proxy` (its address) if that is given. */
  async waitForMore(wanted: number, proxy?: string, timeoutMs = 20_000): Promise<readonly NetworkAcknowledgement[]> {
    const since = this.acknowledged.length
    const look = () => this.acknowledged.slice(since).filter((each) => proxy === undefined || each.proxy === proxy)
    await this.#wait(
      `${wanted} more invoices${proxy === undefined ? '' : ` through ${proxy}`}`,
      timeoutMs,
      () => look().length >= wanted,
    )
    return look()
  }

  async waitForConnect(timeoutMs = 20_000): Promise<void> {
    const since = this.connects.length
    await this.#wait('a connect', timeoutMs, () => this.connects.length > since)
  }

  /** Waits for an error after the moment `since` of `performance.now()`. */
  async waitForError(since: number, timeoutMs = 20_000): Promise<NetworkClientError> {
    const look = () => this.errors.find(({ at }) => at >= since)
    await this.#wait('an error', timeoutMs, () => look() !== undefined)
    return look() as NetworkClientError
  }

  /** The longest time without an acknowledgement from `since` on, in milliseconds. */
  longestGapMs(since: number): number {
    const times = [since, ...this.acknowledged.map(({ at }) => at).filter((at) => at >= since)]
    return Math.max(...times.slice(1).map((at, index) => at - (times[index] ?? at)))
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #take(line: string): void {
    const at = performance.now()
    const said = parse(line)
    const { connected, ms, written, proxy, port, error, code } = said
    if (typeof written === 'string') {
      this.acknowledged.push({ number: written, proxy: String(proxy), port: Number(port), at })
    } else if (typeof connected === 'string') this.connects.push({ host: connected, ms: Number(ms), at })
    else if (typeof error === 'string') this.errors.push({ text: error, code: (code ?? null) as string | null, at })
    else this.#other.push(line)
  }

  async #wait(description: string, timeoutMs: number, look: () => boolean): Promise<void> {
    await waitFor(description, look, { timeoutMs, intervalMs: 5 }).catch((cause: unknown) => {
      const last = [...this.errors.slice(-3).map(({ text }) => text), ...this.#other.slice(-5)].join('\n')
      throw new Error(`${(cause as Error).message}; the client said last:\n${last}`, { cause })
    })
  }
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return {}
  }
}
