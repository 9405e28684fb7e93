/**
 * One node of a repmgr cluster: its server, its repmgr.conf, its repmgrd. Test support.
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from './condition.ts'
import { requireTool } from './postgres-binaries.ts'
import type { PostgresServer } from './postgres-server.ts'
import { freezeTree, isAlive, killTree, signalProcess, waitUntilFrozen, waitUntilGone } from './process-tree.ts'
import { reapOnExit } from './reaper.ts'
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts'
import { quoteLiteral } from './server-settings.ts'
import { asServerUser, giveToServerUser, serverEnvironment } from './server-user.ts'

/** Fails over within some 2 to 3 s; everything about time is as on the page of measured facts. */
const DEFAULT_REPMGR_SETTINGS = {
  failover: 'automatic',
  reconnect_attempts: 3,
  reconnect_interval: 1,
  monitor_interval_secs: 1,
  log_level: 'INFO',
  use_replication_slots: 'no',
} as const

/** What repmgrd says, at log level INFO, once it watches its primary or upstream. */
const MONITORING = /monitoring (cluster primary|connection to (upstream|primary) node)/

/** A node as repmgr knows it. Made by `createRepmgrCluster`. */
export class RepmgrNode {
  readonly server: PostgresServer
  readonly nodeId: number
  readonly configFile: string
  readonly daemonLogFile: string
  readonly #toolFolder: string
  #daemonPid: number | null = null
  #releaseDaemon: () => void = () => {}

  constructor(
    server: PostgresServer,
    nodeId: number,
    toolFolder: string,
    settings: Readonly<Record<string, string | number>>,
  ) {
    this.server = server
    this.nodeId = nodeId
    this.daemonLogFile = join(server.folder, 'repmgrd.log')
    this.#toolFolder = toolFolder
    this.configFile = join(server.folder, 'repmgr.conf')
    server.writeFile('repmgr.conf', formatRepmgrConf({ ...this.#settings(), ...settings }))
  }

  get name(): string {
    return this.server.name
  }

  /** As in repmgr.nodes. */
  get conninfo(): string {
    return `host=${this.server.host} port=${this.server.port} user=repmgr dbname=repmgr connect_timeout=2`
  }

  /** How repmgr's commands are told of this node when it is another one. */
  get connectionArgs(): readonly string[] {
    return ['-h', this.server.host, '-p', String(this.server.port), '-U', 'repmgr', '-d', 'repmgr']
  }

  /** repmgrd's process id; `null` when it does not run. */
  get daemonPid(): number | null {
    return this.#daemonPid !== null && isAlive(this.#daemonPid) ? this.#daemonPid : null
  }

  /** Runs repmgr with this node's configuration, as the server user. Rejects with its output when it fails. */
  async repmgr(args: readonly string[], options: Omit<CommandOptions, 'folder'> = {}): Promise<CommandResult> {
    return await runCommand(requireTool(this.server.binaries, 'repmgr'), ['-f', this.configFile, ...args], {
      folder: this.server.folder,
      ...options,
      env: { ...this.#env(), ...options.env },
    })
  }

  /** Creates the superuser and the database `repmgr` on this server, a primary or a witness. */
  async createMetadataDatabase(): Promise<void> {
    await this.server.query('CREATE ROLE repmgr SUPERUSER LOGIN')
    await this.server.query('CREATE DATABASE repmgr OWNER repmgr')
  }

  /** Throws away what data there is, then `repmgr standby clone`, start, `repmgr standby register`. */
  async cloneAndRegister(upstream: RepmgrNode): Promise<void> {
    await this.server.removeDataDirectory()
    await this.repmgr([...upstream.connectionArgs, 'standby', 'clone', '--fast-checkpoint'])
    await this.server.start()
    await this.repmgr(['standby', 'register', '--force', `--upstream-node-id=${upstream.nodeId}`])
  }

  /** Starts repmgrd, and waits until the server knows of it. */
  async startDaemon(): Promise<void> {
    const log = openSync(this.daemonLogFile, 'a', 0o600)
    giveToServerUser(this.daemonLogFile)
    const logStart = readFileSync(this.daemonLogFile, 'utf8').length
    const args = ['-f', this.configFile, '--daemonize=false', '--no-pid-file']
    const child = spawn(requireTool(this.server.binaries, 'repmgrd'), args, {
      cwd: this.server.folder,
      env: { ...serverEnvironment(this.server.folder), ...this.#env() },
      detached: true,
      stdio: ['ignore', log, log],
      ...asServerUser(),
    })
    closeSync(log)
    child.unref()
    child.once('error', () => {})
    const { pid } = child
    if (pid === undefined) throw new Error(`repmgrd of ${this.name} could not be started`)
    this.#daemonPid = pid
    this.#releaseDaemon = reapOnExit({ kind: 'process', pid })
    // Registered as running it may not have reached its upstream yet: a primary lost before that is never missed.
    const look = () => {
      if (!isAlive(pid)) return 'ended'
      return MONITORING.test(readFileSync(this.daemonLogFile, 'utf8').slice(logStart)) ? 'running' : null
    }
    const outcome = await waitFor(`repmgrd of ${this.name}`, look, { timeoutMs: 20_000 })
    if (outcome === 'ended') throw new Error(`repmgrd of ${this.name} ended\n${this.daemonLogTail()}`)
  }

  /** SIGKILLs repmgrd when it runs. */
  async killDaemon(): Promise<void> {
    const { daemonPid } = this
    if (daemonPid !== null) await waitUntilGone(killTree(daemonPid))
    this.#daemonPid = null
    this.#releaseDaemon()
  }

  /** The whole host dies: server and repmgrd. */
  async killHost(): Promise<void> {
    await this.killDaemon()
    await this.server.kill()
  }

  /** The whole host stands still: server and repmgrd. */
  async freezeHost(): Promise<void> {
    if (this.daemonPid !== null) await waitUntilFrozen(freezeTree(this.daemonPid))
    await this.server.freeze()
  }

  /** The whole host goes on. */
  thawHost(): void {
    this.server.thaw()
    if (this.daemonPid !== null) signalProcess(this.daemonPid, 'SIGCONT')
  }

  /** The last lines of repmgrd's log, for the message of a failure. */
  daemonLogTail(lineCount = 25): string {
    if (!existsSync(this.daemonLogFile)) return `(repmgrd of ${this.name} has no log yet)`
    return readFileSync(this.daemonLogFile, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n')
  }

  #env(): NodeJS.ProcessEnv {
    return { PATH: `${this.#toolFolder}:${this.server.binaries.folder}:${process.env['PATH'] ?? '/usr/bin:/bin'}` }
  }

  #settings(): Readonly<Record<string, string | number>> {
    const { server } = this
    const repmgr = `${requireTool(server.binaries, 'repmgr')} -f ${this.configFile}`
    const pgCtl = `${requireTool(server.binaries, 'pg_ctl')} -D ${server.dataDirectory}`
    // The configuration lies outside the data directory, so that pg_basebackup and pg_rewind leave it alone.
    const start = `-w -l ${server.logFile} -o "-c config_file=${server.configFile}"`
    return {
      ...DEFAULT_REPMGR_SETTINGS,
      node_id: this.nodeId,
      node_name: this.name,
      conninfo: this.conninfo,
      data_directory: server.dataDirectory,
      config_directory: server.folder,
      pg_bindir: server.binaries.folder,
      promote_command: `${repmgr} standby promote`,
      follow_command: `${repmgr} standby follow --upstream-node-id=%n`,
      service_start_command: `${pgCtl} ${start} start`,
      service_stop_command: `${pgCtl} -w -m fast stop`,
      service_restart_command: `${pgCtl} ${start} -m fast restart`,
      service_reload_command: `${pgCtl} reload`,
    }
  }
}

function formatRepmgrConf(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${typeof value === 'number' ? value : quoteLiteral(value)}\n`)
    .join('')
}
