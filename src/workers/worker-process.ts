/**
 * One worker process, as the main process sees it: started, told, asked, given connections, watched until it ends.
 * Composition layer. What is said, and what follows from its end, is worker-pool.ts's to know.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import process from 'node:process'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { handleOf, type SocketHandle } from '../net/socket-handle.ts'
import type { Clock } from '../ports.ts'
import { TurnoverMap } from '../session/turnover-map.ts'
import { ControlChannel } from './control-channel.ts'
import type {
  Answer,
  PassedConnection,
  Question,
  ToMain,
  ToWorker,
  WorkerCharter,
  WorkerCounts,
  WorkerHealth,
} from './messages.ts'
import { Questions } from './questions.ts'

/** For a connection to arrive, and for the worker to say so. */
const SLOW_MS = 250
/** After standard input, output and error. */
export const CONTROL_FD = 3
const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'main.ts' : 'main.js', import.meta.url))

/** Accepted, and not read from. */
export interface Connection {
  readonly socket: Socket
  /** Its address as in the configuration. */
  readonly listener: string
}

interface ConnectionUnderWay extends Connection {
  /** The socket has it no more once Node has sent it. */
  readonly handle: SocketHandle | null
  /** In milliseconds of the clock. */
  readonly since: number
}

/** How a worker ended. */
export interface WorkerEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** Why it could not be started; `null`: it was. */
  readonly problem: string | null
}

export interface WorkerProcessOptions {
  readonly charter: WorkerCharter
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly onHeard: (message: ToMain) => void
  /** Its connections are closed by the system, and all that it said has been heard. */
  readonly onEnded: (end: WorkerEnd) => void
}

export class WorkerProcess {
  readonly worker: number
  /** Of its last word on them; `null` before the first. */
  counts: WorkerCounts | null = null
  health: WorkerHealth = { rssBytes: 0, cpuSeconds: 0, eventLoopDelayMs: 0 }
  /** Number of the configuration that it was started with. */
  readonly version: number
  /** Pings that it has not answered. */
  missedPings = 0
  readonly #child: ChildProcess
  readonly #control: ControlChannel<ToWorker, ToMain>
  readonly #questions: Questions
  /** Passed, and not known to have arrived; by number, which is the order as well. */
  readonly #underWay = new TurnoverMap<number, ConnectionUnderWay>()
  readonly #clock: Clock

  constructor({ charter, environment, clock, onHeard, onEnded }: WorkerProcessOptions) {
    const { worker, version } = charter
    this.worker = worker
    this.version = version
    this.#clock = clock
    this.#questions = new Questions(clock)
    // The number is for whoever looks at the list of processes.
    this.#child = spawn(process.execPath, [...process.execArgv, ENTRY, `worker-${worker}`], {
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'ipc'],
    })
    this.#control = new ControlChannel(this.#child.stdio[CONTROL_FD] as Duplex, (message) => {
      if (message.kind === 'answer') this.#questions.take(message.id, message.answer)
      else onHeard(message)
    })
    this.tell({ kind: 'begin', charter })
    void this.#watchEnd().then((end) => {
      this.#questions.close()
      onEnded(end)
    })
  }

  /** 0 when it could not be started. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Sessions that it has or is about to have. */
  get size(): number {
    return (this.counts?.size ?? 0) + this.#underWay.size
  }

  get underWayCount(): number {
    return this.#underWay.size
  }

  /** It takes its time to take a connection, or to answer: it may be stopped. */
  get isSlow(): boolean {
    const [oldest] = this.#underWay.values()
    return this.missedPings > 1 || (oldest !== undefined && this.#clock.now() - oldest.since > SLOW_MS)
  }

  /** To one that has ended it means nothing. */
  tell(message: ToWorker): void {
    this.#control.tell(message)
  }

  /** Resolves to `null` when it does not answer in time, or ends. */
  async ask(question: Question, timeoutMs: number): Promise<Answer | null> {
    return await this.#questions.ask((id) => this.tell({ kind: 'ask', id, question }), timeoutMs)
  }

  /** The socket was accepted in pause: nothing has been read from it. */
  pass(socket: Socket, passed: PassedConnection): void {
    const { id, listener } = passed
    this.#underWay.set(id, { socket, handle: handleOf(socket), listener, since: this.#clock.now() })
    // Whoever resets his connection meanwhile is found gone by the worker.
    socket.on('error', () => undefined)
    this.#child.send(passed, socket, { keepOpen: false }, () => undefined)
  }

  takeCounts(counts: WorkerCounts): void {
    this.counts = counts
    for (const [id] of this.#underWay.entries()) {
      if (id > counts.takenUpTo) break
      this.#underWay.delete(id)
    }
  }

  /** After its end: connections that never left this process, for another worker. The others are closed and counted. */
  salvage(): { readonly connections: readonly Connection[]; readonly lostCount: number } {
    const { size } = this.#underWay
    const connections: Connection[] = []
    for (const [id, { socket, handle, listener }] of this.#underWay.entries()) {
      this.#underWay.delete(id)
      // One that has left is no socket of ours any more, and so has no address at this end. (Of the far end Node would
      // remember it.) Unix sockets never have: they count as lost.
      if (socket.localAddress !== undefined) connections.push({ socket, listener })
      // Node keeps one open for ever whose arrival the other process does not confirm (nodejs/node#19433).
      else handle?.close()
    }
    return { connections, lostCount: size - connections.length }
  }

  /** It ends by itself when it has no session left. */
  release(): void {
    this.#control.close()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Its end, and that of what it said. Node's `close` would be both, but does not come after a disconnect. */
  async #watchEnd(): Promise<WorkerEnd> {
    const end = await new Promise<WorkerEnd>((resolve) => {
      this.#child.once('exit', (exitCode, signal) => resolve({ exitCode, signal, problem: null }))
      // Also told of a connection that could not be passed: its end will be heard of.
      this.#child.on('error', ({ message }) => {
        if (this.#child.pid === undefined) resolve({ exitCode: null, signal: null, problem: message })
      })
    })
    if (end.problem !== null) this.#control.destroy()
    await this.#control.closed
    return end
  }
}
