/**
 * Who is measured: a way to PostgreSQL, and the process of the program that is on it. Benchmark support. Whoever starts
 * one closes it; what is left when the benchmark is interrupted is ended by the reaper.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { connect } from 'node:net'
import { waitFor } from '../../support/condition.ts'
import { killTree, waitUntilGone } from '../../support/process-tree.ts'
import { reapOnExit } from '../../support/reaper.ts'

/** `host:port` of something to connect to. */
export interface Target {
  readonly host: string
  readonly port: number
}

export interface Contender {
  readonly name: string
  readonly target: Target
  /** The same for clients who want TLS; `null`: it cannot do that. */
  readonly tls: TlsWay | null
  /** The root of its processes; `null` for PostgreSQL itself, which is no proxy. */
  readonly pid: number | null
}

export interface TlsWay {
  readonly kind: 'passed through' | 'terminated'
  readonly target: Target
}

/** How to start a program that is not ours. */
export interface ProgramCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly spawnAs?: { readonly uid?: number; readonly gid?: number }
  /** Folder to run in. */
  readonly folder: string
  /** It runs when all of them accept. */
  readonly ports: readonly number[]
}

/** A running program and its children. */
export class ProgramProcess {
  readonly #child: ChildProcess
  readonly #release: () => void
  #output = ''
  #hasEnded = false

  private constructor({ program, args, folder, spawnAs = {} }: ProgramCommand) {
    this.#child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...spawnAs })
    const { pid, stdout, stderr } = this.#child
    this.#release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    for (const stream of [stdout, stderr]) {
      stream?.on('data', (piece: Buffer) => {
        this.#output = (this.#output + piece.toString()).slice(-4_000)
      })
    }
    for (const event of ['error', 'exit'] as const) {
      this.#child.once(event, (why: unknown) => {
        this.#hasEnded = true
        this.#output += why instanceof Error ? String(why) : ''
      })
    }
  }

  /** Resolves when it accepts connections. Rejects with what it said when it ends or is too slow. */
  static async start(command: ProgramCommand): Promise<ProgramProcess> {
    const started = new ProgramProcess(command)
    const isUp = async (): Promise<boolean> =>
      started.#hasEnded || (await Promise.all(command.ports.map(canConnect))).every(Boolean)
    try {
      await waitFor(`${command.program} to accept connections`, isUp)
      if (started.#hasEnded) throw new Error(`${command.program} ended`)
    } catch (error) {
      await started.close()
      throw new Error(`${(error as Error).message}\n${started.#output}`, { cause: error })
    }
    return started
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Kills it and its children and waits until they are gone. May be called again. */
  async close(): Promise<void> {
    const { pid } = this.#child
    if (pid !== undefined && !this.#hasEnded) await waitUntilGone(killTree(pid))
    this.#release()
  }
}

/** Whether somebody accepts on that port of 127.0.0.1 now. */
export async function canConnect(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy())
}
