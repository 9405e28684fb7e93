/**
 * The clients of a chaos run, seen from the stage: starts their processes on the clients' host, follows how many of their
 * operations were answered, stops them. Test support. Whoever starts them stops them.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { waitFor } from '../support/condition.ts'
import { reapOnExit } from '../support/reaper.ts'
import type { ClientOrder, ClientProgress } from './client-main.ts'
import { type ClientProxy, type ClientSpec, planClients, SILENT_CLIENTS } from './client-plan.ts'

const PROGRAM = join(import.meta.dirname, 'client-main.ts')
/** Processes start slowly on a machine that is busy. */
const FIRST_ANSWER_LIMIT_MS = 60_000
/** An operation under way may take its client's patience, a connect the proxy's. */
const STOP_LIMIT_MS = 8_000

/** What the clients need of the stage. */
export interface ClientStage {
  /** What has to stand before a command so that it runs on the clients' host; it becomes the command by exec. */
  readonly launcher: readonly string[]
  readonly proxies: readonly ClientProxy[]
  /** Addresses as the servers themselves name them. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[]
  readonly login: { readonly user: string; readonly password: string; readonly database: string }
  readonly historyFolder: string
}

export interface RunningClients {
  readonly names: readonly string[]
  /** Operations that were answered, of all clients; a second old at most. */
  acknowledgedCount(): number
  /** When a client, or any of them, was last answered, in ms of the history's clock; 0 for never. */
  lastAcknowledgedAt(client?: string): number
  /** What they said besides, which is nothing unless something is wrong with them. */
  complaints(): readonly string[]
  /** Lets them finish, for 8 s at most, and ends them. May be called again. */
  stop(): Promise<void>
}

/**
 * Resolves when everybody but those who are silent by design was answered once: what befalls nobody proves nothing. Rejects
 * when a process does not start, or somebody is not served within a minute; nothing runs then.
 */
export async function startClients(stage: ClientStage): Promise<RunningClients> {
  const groups = planClients(stage.proxies)
  const started = groups.map((clients, index) => new ClientProcess(stage, `clients${index + 1}`, clients))
  const names = groups.flat().map(({ name }) => name)
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((each) => each.stop()))
  }
  try {
    await Promise.all(started.map((each) => each.running))
    const missing = (): readonly string[] =>
      names.filter((name) => !SILENT_CLIENTS.test(name) && !started.some((each) => each.lastAcknowledgedAt(name) > 0))
    const until = (seen: readonly string[]): boolean => seen.length === 0
    await waitFor('every client to be served once', missing, {
      until,
      timeoutMs: FIRST_ANSWER_LIMIT_MS,
      intervalMs: 100,
    })
  } catch (error) {
    await stop()
    const said = started.flatMap((each) => each.complaints).join('\n')
    throw new Error(`${(error as Error).message}\n${said}`, { cause: error })
  }
  return {
    names,
    acknowledgedCount: () => started.reduce((sum, each) => sum + each.acknowledgedCount, 0),
    lastAcknowledgedAt: (client) => Math.max(...started.map((each) => each.lastAcknowledgedAt(client))),
    complaints: () => started.flatMap((each) => each.complaints),
    stop,
  }
}

class ClientProcess {
  readonly complaints: string[] = []
  /** Rejects when the program cannot be started. */
  readonly running: Promise<void>
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #acknowledged: ClientProgress['acknowledged'] = {}

  constructor({ launcher, historyFolder, login, nodes }: ClientStage, name: string, clients: readonly ClientSpec[]) {
    const [program = '', ...args] = [...launcher, process.execPath, PROGRAM]
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const { pid, stdin, stdout, stderr } = this.#child
    const release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    this.running = new Promise((resolve, reject) => {
      this.#child.once('spawn', resolve)
      this.#child.once('error', reject)
    })
    this.running.catch(() => {})
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        release()
        resolve()
      }
      this.#child.once('close', end)
      this.#child.once('error', end)
    })
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => this.#take(line))
    if (stderr !== null) createInterface({ input: stderr }).on('line', (line) => this.complaints.push(line))
    const order: ClientOrder = { name, historyFolder, login, nodes, clients }
    stdin?.on('error', () => {})
    stdin?.write(`${JSON.stringify(order)}\n`)
  }

  get acknowledgedCount(): number {
    return Object.values(this.#acknowledged).reduce((sum, { count }) => sum + count, 0)
  }

  lastAcknowledgedAt(client?: string): number {
    const known = Object.entries(this.#acknowledged).filter(([name]) => client === undefined || name === client)
    return Math.max(0, ...known.map(([, { lastAt }]) => lastAt))
  }

  async stop(): Promise<void> {
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.#ended
    clearTimeout(timer)
  }

  #take(line: string): void {
    try {
      this.#acknowledged = (JSON.parse(line) as ClientProgress).acknowledged
    } catch {
      this.complaints.push(line)
    }
  }
}
