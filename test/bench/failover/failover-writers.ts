/** Starts failover-writer.py, in a process of its own each, and reads what it says. Benchmark support. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { waitFor } from '../../support/condition.ts'
import { reapOnExit } from '../../support/reaper.ts'
import type { WriterEvent } from './outage.ts'

/** The system's: that is where its packages are. */
const PYTHON = '/usr/bin/python3'
const PROGRAM = fileURLToPath(new URL('./failover-writer.py', import.meta.url))
const PAUSE_SECONDS = { long: 0.02, fresh: 0.1 } as const
/** Acknowledgements in a row from one server: whoever has them is ready for a failover. */
const STEADY = 6

/** `true`, or why there can be no writers. */
export function writersAvailable(): true | string {
  const { status } = spawnSync(PYTHON, ['-c', 'import psycopg2'], { stdio: 'ignore' })
  return status === 0 || 'there is no psycopg2: install the package python3-psycopg2'
}

export class FailoverWriter {
  readonly events: WriterEvent[] = []
  readonly #name: string
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>
  readonly #release: () => void
  #said = ''

  constructor(name: string, conninfo: string, style: keyof typeof PAUSE_SECONDS) {
    this.#name = `${style} writer of ${name}`
    const prefix = `${name}-${style}-${Date.now()}`
    this.#child = spawn(PYTHON, [PROGRAM, conninfo, prefix, style, String(PAUSE_SECONDS[style])], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    })
    const { pid, stdout, stderr } = this.#child
    this.#release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    this.#closed = once(this.#child, 'close').catch((error: unknown) => error)
    if (stdout !== null) {
      createInterface({ input: stdout }).on('line', (line) => this.events.push(JSON.parse(line) as WriterEvent))
    }
    stderr?.on('data', (piece: Buffer) => {
      this.#said = (this.#said + piece.toString()).slice(-2_000)
    })
  }

  /** Waits until it writes on that server and on no other. */
  async waitUntilSteady(port: number): Promise<void> {
    const isSteady = (): boolean => {
      const last = this.events.slice(-STEADY)
      return last.length === STEADY && last.every((event) => 'port' in event && event.port === port)
    }
    await waitFor(`the ${this.#name} to write`, isSteady, { timeoutMs: 30_000 }).catch((error: unknown) => {
      const last = JSON.stringify(this.events.at(-1) ?? null)
      throw new Error(`${(error as Error).message}; last: ${last} ${this.#said}`, { cause: error })
    })
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
    this.#release()
  }
}
