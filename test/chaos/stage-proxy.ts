/**
 * A proxy of a chaos run on a host of its own: its process, its names for the nodes, its small disk, its wall clock. Test
 * support. It writes every line of the proxy's log into the history, and each start and end of a process.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../support/condition.ts'
import { NetworkHost } from '../support/network-host.ts'
import { descendantsOf, freezeTree, isAlive, signalProcess, waitUntilFrozen } from '../support/process-tree.ts'
import { type ProxiedCluster, type ProxyConfig, writeProxyConfig } from '../support/proxy-config.ts'
import { type LogRecord, ProxyProcess } from '../support/proxy-process.ts'
import type { HistoryEvent } from './history.ts'
import { monotonicMs } from './history-file.ts'
import {
  ADDRESSES,
  ADMIN_PORT,
  DATA_NODES,
  type ProxyName,
  SERVER_PORT,
  STANDBY_PORT,
  WORKERS,
  WORKERS_PROXY,
  WRITE_PORT,
} from './hosts.ts'
import { killForMemory } from './memory-shortage.ts'
import { livingBy, stepWallClock } from './wall-clock.ts'

/** What the state file needs many times over, and small enough to be filled in a moment. */
const STATE_DISK_KIB = 256
/** What fills it. */
const BALLAST = 'ballast'
const LOG_POLL_MS = 10
/** On a machine that has much else to do. */
const UPGRADE_LIMIT_MS = 60_000
/** Mounts its own names over the host's; the mount is for this process and those it starts. */
const OWN_NAMES = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'

/** What the proxy says of itself, as far as the stage looks at it. */
export interface ProxyStatus {
  readonly state: string
  readonly primary: string | null
  readonly timelineId: number | null
}

/** A proxy, running or not. Whoever opened it closes it. */
export class StageProxy {
  readonly name: ProxyName
  readonly host: NetworkHost
  readonly folder: string
  readonly #config: ProxyConfig
  readonly #tell: (event: HistoryEvent) => void
  readonly #poll: NodeJS.Timeout
  /** Processes of this proxy that it did not end itself, in words. */
  readonly unexpectedEnds: string[] = []
  #proxy: ProxyProcess | null = null
  #readCount = 0
  #isEndExpected = false
  #isDiskFull = false
  #frozenWorker: number | null = null

  private constructor(
    name: ProxyName,
    host: NetworkHost,
    folder: string,
    config: ProxyConfig,
    tell: (event: HistoryEvent) => void,
  ) {
    this.name = name
    this.host = host
    this.folder = folder
    this.#config = { ...config, adminUrl: `http://${ADDRESSES[name]}:${ADMIN_PORT}` }
    this.#tell = tell
    this.#poll = setInterval(() => this.#readLog(), LOG_POLL_MS)
  }

  /** Makes host, disk and configuration; starts nothing. */
  static async open(
    name: ProxyName,
    parentFolder: string,
    monitor: ProxiedCluster['monitor'],
    tell: (event: HistoryEvent) => void,
  ): Promise<StageProxy> {
    const folder = join(parentFolder, name)
    mkdirSync(folder, { mode: 0o755 })
    const nodes = DATA_NODES.map((node) => ({ name: node, host: ADDRESSES[node], port: SERVER_PORT }))
    const config = await writeProxyConfig(
      folder,
      { nodes, monitor },
      {
        listeners: [
          { address: `0.0.0.0:${WRITE_PORT}`, route: 'primary' },
          { address: `0.0.0.0:${STANDBY_PORT}`, route: 'standby', fallback: 'none' },
        ],
        // By name, so that the look-up of names can be broken.
        nodes: DATA_NODES.map((node) => ({ name: node, address: `${node}:${SERVER_PORT}` })),
        admin: { address: `0.0.0.0:${ADMIN_PORT}` },
        log: { level: 'info' },
        workers: name === WORKERS_PROXY ? WORKERS : 1,
      },
    )
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${STATE_DISK_KIB}k,mode=0700`, 'state', config.stateDirectory])
    const host = await NetworkHost.plugIn(name, `${ADDRESSES[name]}/24`)
    const proxy = new StageProxy(name, host, folder, config, tell)
    proxy.setNames('all')
    proxy.stepClock(0)
    return proxy
  }

  /** Where the proxy takes writers and readers. */
  get address(): string {
    return ADDRESSES[this.name]
  }

  get isRunning(): boolean {
    return this.#proxy?.isRunning === true
  }

  /** The process that accepts; `undefined` when none runs. */
  get pid(): number | undefined {
    return this.isRunning ? this.#proxy?.pid : undefined
  }

  start(): void {
    if (this.isRunning) return
    const names = ['unshare', '--mount', 'sh', '-c', OWN_NAMES, 'sh', this.#file('hosts'), this.#file('resolv.conf')]
    const options = { launcher: [...this.host.launcher, ...names], env: livingBy(this.#file('clock')) }
    const proxy = new ProxyProcess(this.#config, options)
    this.#proxy = proxy
    this.#readCount = 0
    this.#isEndExpected = false
    this.#tellProcess(proxy.pid ?? 0, 'started', '')
    proxy.exited.then(({ code, signal }) => {
      this.#readLog()
      const how = signal ?? `exit code ${code}`
      this.#tellProcess(proxy.pid ?? 0, 'ended', how)
      // Without a byte of disk it says so and does not start: whether it was started at the wrong time is no fault of its own.
      if (!this.#isEndExpected && !this.#isDiskFull)
        this.unexpectedEnds.push(`${this.name} ended by itself: ${how}\n${proxy.tail(10)}`)
    })
  }

  /** As a supervisor does: starts it, and again when it ends for want of a disk, until it listens. */
  async startAndListen(): Promise<void> {
    const look = () => {
      if (!this.isRunning && this.#isDiskFull) this.start()
      return this.#log().some(({ msg }) => msg === 'listening') || (!this.isRunning && !this.#isDiskFull)
    }
    this.start()
    await waitFor(`${this.name} to listen`, look, { timeoutMs: 60_000, intervalMs: 250 }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.tail}`, { cause: error })
    })
  }

  /** By the kernel, for want of memory. */
  async killForMemory(): Promise<void> {
    this.#isEndExpected = true
    const { pid } = this
    if (pid !== undefined) await killForMemory(pid, join(this.folder, '..'))
    await this.kill()
  }

  /** SIGKILL; what workers it has end by themselves. */
  async kill(): Promise<void> {
    this.#isEndExpected = true
    const ended = this.#proxy?.destroy()
    this.thawWorker()
    await ended
  }

  /** SIGTERM, and a second one when its sessions take their time; resolves when it has ended. */
  async stop(): Promise<void> {
    if (!this.isRunning) return
    this.#isEndExpected = true
    this.#proxy?.signal('SIGTERM')
    const again = setTimeout(() => this.#proxy?.signal('SIGTERM'), 1_000)
    await this.#proxy?.exited.finally(() => clearTimeout(again))
  }

  /** SIGUSR2; resolves when the successor has taken over. Rejects when the upgrade fails. */
  async upgrade(): Promise<void> {
    if (!this.isRunning) return
    await this.#proxy?.upgrade(UPGRADE_LIMIT_MS)
    this.#tellProcess(this.#proxy?.pid ?? 0, 'took-over', '')
  }

  /** Every process of it stands still; the kernel goes on accepting. */
  async freeze(): Promise<void> {
    for (const pid of this.#pids()) await waitUntilFrozen(freezeTree(pid))
  }

  thaw(): void {
    for (const pid of this.#pids()) for (const each of [...descendantsOf(pid), pid]) signalProcess(each, 'SIGCONT')
  }

  /** SIGKILL to one worker; resolves when another is in its place. */
  async killWorker(): Promise<void> {
    const [victim] = this.#workerPids()
    if (victim === undefined) return
    signalProcess(victim, 'SIGKILL')
    const isReplaced = (): boolean => {
      const pids = this.#workerPids()
      return !this.isRunning || (pids.length === WORKERS && !pids.includes(victim))
    }
    await waitFor(`another worker of ${this.name}`, isReplaced, { timeoutMs: 60_000, until: Boolean })
  }

  /** One worker stands still, the others and the main process go on. */
  freezeWorker(): void {
    const [victim] = this.#workerPids()
    if (victim === undefined) return
    this.#frozenWorker = victim
    signalProcess(victim, 'SIGSTOP')
  }

  /** Unless it has been killed meanwhile. */
  thawWorker(): void {
    if (this.#frozenWorker !== null) signalProcess(this.#frozenWorker, 'SIGCONT')
    this.#frozenWorker = null
  }

  /** Which names it can look up: all, or none with an error at once, or none after a wait for a name server. */
  setNames(which: 'all' | 'refused' | 'silent'): void {
    const nodes = DATA_NODES.map((node) => `${ADDRESSES[node]} ${node}\n`).join('')
    const server = which === 'silent' ? '10.77.0.99' : '127.0.0.1'
    // In place: the mount is of these very files.
    writeFileSync(this.#file('hosts'), `127.0.0.1 localhost\n${which === 'all' ? nodes : ''}`)
    writeFileSync(this.#file('resolv.conf'), `nameserver ${server}\noptions timeout:2 attempts:1\n`)
  }

  /** Its wall clock is so far off from now on; 0: right again. */
  stepClock(offsetSeconds: number): void {
    stepWallClock(this.#file('clock'), offsetSeconds)
  }

  /** Fills its state directory, to the last byte, or empties it of what filled it. */
  fillDisk(isFull: boolean): void {
    const path = join(this.#config.stateDirectory, BALLAST)
    this.#isDiskFull = isFull
    if (!isFull) return rmSync(path, { force: true })
    // It ends with the error that is wanted: no space left on the device.
    spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=512'], { stdio: 'ignore' })
  }

  /** Its memory is gone; only while it does not run. */
  forget(): void {
    const kept = readdirSync(this.#config.stateDirectory).filter((name) => name !== BALLAST)
    for (const name of kept) rmSync(join(this.#config.stateDirectory, name))
  }

  async status(): Promise<ProxyStatus> {
    if (this.#proxy === null) throw new Error(`${this.name} does not run`)
    return (await this.#proxy.status()) as unknown as ProxyStatus
  }

  /** An operator's word. */
  async accept(node: string): Promise<void> {
    const answer = await this.#proxy?.post('/api/accept', { node })
    if (answer?.ok !== true) throw new Error(`${this.name} refused to accept ${node}: ${await answer?.text()}`)
  }

  /** What it said, for a folder that is kept. */
  get tail(): string {
    return this.#proxy?.tail(40) ?? ''
  }

  async close(): Promise<void> {
    await this.kill()
    clearInterval(this.#poll)
    await this.host.close()
    spawnSync('umount', [this.#config.stateDirectory])
  }

  #workerPids(): readonly number[] {
    const { pid } = this
    return pid === undefined ? [] : descendantsOf(pid).filter(isWorker)
  }

  #pids(): readonly number[] {
    // After an upgrade the one before may still have sessions, and is no child of ours alone.
    const pid = this.#proxy?.pid
    const known = this.#log().flatMap(({ pid: each }) => (typeof each === 'number' ? [each] : []))
    return [...new Set([...(pid === undefined ? [] : [pid]), ...known])].filter(isAlive)
  }

  #file(name: string): string {
    return join(this.folder, name)
  }

  #log(): readonly LogRecord[] {
    return this.#proxy?.log ?? []
  }

  #readLog(): void {
    const log = this.#log()
    for (; this.#readCount < log.length; this.#readCount += 1) {
      const record = log[this.#readCount]
      if (record !== undefined) this.#tell({ kind: 'log', at: monotonicMs(), proxy: this.name, record })
    }
  }

  #tellProcess(pid: number, what: 'started' | 'took-over' | 'ended', detail: string): void {
    this.#tell({ kind: 'process', at: monotonicMs(), proxy: this.name, pid, what, detail })
  }
}

/** By the number that a worker has in the list of processes. */
function isWorker(pid: number): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words.some((word) => /^worker-\d+$/.test(word))
  } catch {
    return false
  }
}
