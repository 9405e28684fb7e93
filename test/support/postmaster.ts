/**
 * The processes of one PostgreSQL server: started, stopped in order, killed, orphaned, frozen. Test support.
 * Knows nothing of SQL or configuration. Who runs is read from postmaster.pid, since repmgr and pg_ctl start servers too.
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { waitFor } from './condition.ts'
import { type PostgresBinaries, requireTool } from './postgres-binaries.ts'
import { livePostmaster, readPostmasterFile, removeSharedMemory } from './postmaster-file.ts'
import {
  descendantsOf,
  freezeTree,
  isAlive,
  killTree,
  signalProcess,
  waitUntilFrozen,
  waitUntilGone,
} from './process-tree.ts'
import { reapOnExit } from './reaper.ts'
import { asServerUser, giveToServerUser, serverEnvironment } from './server-user.ts'

/** How pg_ctl names the three ways to stop. */
export type StopMode = 'smart' | 'fast' | 'immediate'

const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const

/** Which server, and where it lies. */
export interface PostmasterIdentity {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly binaries: PostgresBinaries
  /** Holds `data`, the configuration, the log and the Unix socket. */
  readonly folder: string
}

/** The postmaster and its children. What PostgresServer is made of, and not used alone. */
export class Postmaster {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly binaries: PostgresBinaries
  readonly folder: string
  readonly dataDirectory: string
  readonly configFile: string
  readonly logFile: string
  /** Backends that outlived their postmaster, and so hold the data directory. */
  #orphanPids: readonly number[] = []
  #releaseOrphans: readonly (() => void)[] = []

  constructor(identity: PostmasterIdentity) {
    this.name = identity.name
    this.host = identity.host
    this.port = identity.port
    this.binaries = identity.binaries
    this.folder = identity.folder
    this.dataDirectory = join(this.folder, 'data')
    this.configFile = join(this.folder, 'postgresql.conf')
    this.logFile = join(this.folder, 'server.log')
  }

  /** The postmaster's process id; `null` when it does not run. A frozen one runs. */
  get pid(): number | null {
    return livePostmaster(this.dataDirectory)
  }

  get isRunning(): boolean {
    return this.pid !== null
  }

  /**
   * Starts the server, and waits until it takes sessions (`ready`) or merely listens (`listening`: it may still answer
   * 57P03). Orphans of a killed postmaster are waited for first, as PostgreSQL would refuse to start. Rejects with the
   * end of the log when the server dies or is too slow.
   */
  async start(
    options: { readonly waitUntil?: 'ready' | 'listening'; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    const { waitUntil = 'ready', timeoutMs = 30_000 } = options
    if (this.isRunning) throw new Error(`${this.name} runs already`)
    await this.#waitForOrphans(timeoutMs)
    const started = this.#spawnPostmaster()
    await waitFor(
      `${this.name} to be ${waitUntil}`,
      async () => {
        if (started.ended) return true
        if (waitUntil === 'listening') return await canConnect(this.host, this.port)
        // The file of a killed predecessor may still lie there, and say `ready`.
        const file = readPostmasterFile(this.dataDirectory)
        return file?.pid === started.pid && file?.status === 'ready'
      },
      { timeoutMs, intervalMs: 5 },
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.logTail()}`, { cause: error })
    })
    if (started.ended) throw new Error(`${this.name} ended while starting\n${this.logTail()}`)
  }

  /** Stops in order and waits until every process is gone. A smart stop waits for all sessions to leave. */
  async stop(mode: StopMode = 'fast', options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { pid } = this
    if (pid === null) return
    const pids = [pid, ...descendantsOf(pid)]
    this.signalStop(mode)
    await waitUntilGone(pids, options.timeoutMs ?? 30_000).catch((error: unknown) => {
      throw new Error(`${this.name} did not stop: ${(error as Error).message}\n${this.logTail()}`, { cause: error })
    })
  }

  /** Asks the server to stop and does not wait. */
  signalStop(mode: StopMode): void {
    this.signal(STOP_SIGNALS[mode])
  }

  /** Stops when it runs, and starts. */
  async restart(mode: StopMode = 'fast'): Promise<void> {
    await this.stop(mode)
    await this.start()
  }

  /** Sends a signal to the postmaster alone. Throws when it does not run. */
  signal(name: NodeJS.Signals): void {
    signalProcess(this.#requirePid(), name)
  }

  /** SIGKILLs the postmaster and all its children, as a power cut would, and waits until they are gone. */
  async kill(): Promise<void> {
    const file = readPostmasterFile(this.dataDirectory)
    if (file !== null && isAlive(file.pid)) await waitUntilGone(killTree(file.pid))
    for (const orphan of this.#orphanPids) signalProcess(orphan, 'SIGKILL')
    await this.#waitForOrphans(10_000)
    // Power cuts leave no shared memory; and pg_rewind would forget it for good, along with postmaster.pid.
    if (file !== null) removeSharedMemory(file)
  }

  /**
   * SIGKILLs the postmaster alone. Idle children notice and leave within some 35 ms; one that is busy with a statement
   * goes on, and commits. Returns the children there were at that moment.
   */
  async killPostmasterOnly(): Promise<readonly number[]> {
    const pid = this.#requirePid()
    // Stopped first: no child can be born between the list and the kill.
    signalProcess(pid, 'SIGSTOP')
    await waitUntilFrozen([pid])
    this.#orphanPids = descendantsOf(pid)
    this.#releaseOrphans = this.#orphanPids.map((orphan) => reapOnExit({ kind: 'process', pid: orphan }))
    signalProcess(pid, 'SIGKILL')
    await waitUntilGone([pid])
    return this.#orphanPids
  }

  /** Those of the last killed postmaster's children that still live. */
  get orphans(): readonly number[] {
    return this.#orphanPids.filter(isAlive)
  }

  /** SIGSTOPs every process of the server, and waits until all stand still. The kernel goes on accepting connections. */
  async freeze(): Promise<void> {
    await waitUntilFrozen(freezeTree(this.#requirePid()))
  }

  /** SIGSTOPs the postmaster alone: sessions and replication go on, new sessions hang. */
  async freezePostmasterOnly(): Promise<void> {
    const pid = this.#requirePid()
    signalProcess(pid, 'SIGSTOP')
    await waitUntilFrozen([pid])
  }

  /** SIGCONTs whatever was frozen, the children before the postmaster. */
  thaw(): void {
    const pid = this.#requirePid()
    for (const each of [...descendantsOf(pid), pid]) signalProcess(each, 'SIGCONT')
  }

  /** The last lines of the server's log, for the message of a failure. */
  logTail(lineCount = 25): string {
    if (!existsSync(this.logFile)) return `(${this.name} has no log yet)`
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n')
  }

  async #waitForOrphans(timeoutMs: number): Promise<void> {
    await waitUntilGone(this.#orphanPids, timeoutMs)
    this.#orphanPids = []
    for (const release of this.#releaseOrphans) release()
    this.#releaseOrphans = []
  }

  #requirePid(): number {
    const { pid } = this
    if (pid === null) throw new Error(`${this.name} does not run\n${this.logTail()}`)
    return pid
  }

  #spawnPostmaster(): { readonly pid: number | undefined; readonly ended: boolean } {
    const log = openSync(this.logFile, 'a', 0o600)
    giveToServerUser(this.logFile)
    const args = ['-D', this.dataDirectory, '-c', `config_file=${this.configFile}`]
    const child = spawn(requireTool(this.binaries, 'postgres'), args, {
      cwd: this.folder,
      env: serverEnvironment(this.folder),
      // A session of its own: Ctrl-C in the terminal is for whoever runs the tests, not for the servers.
      detached: true,
      stdio: ['ignore', log, log],
      ...asServerUser(),
    })
    closeSync(log)
    child.unref()
    const started = { pid: child.pid, ended: false }
    const end = () => {
      started.ended = true
    }
    child.once('exit', end)
    child.once('error', end)
    return started
  }
}

async function canConnect(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port })
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy())
}
