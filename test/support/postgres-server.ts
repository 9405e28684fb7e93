/**
 * One real PostgreSQL server on loopback: made, configured, asked, promoted, and (by Postmaster) started and broken in
 * every way a host can break it. Test support. Knows nothing of other nodes: replication is postgres-cluster.ts's.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from './condition.ts'
import { makeDataDirectory } from './data-directory.ts'
import { freePort } from './free-port.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { Postmaster } from './postmaster.ts'
import { reapOnExit } from './reaper.ts'
import { DEFAULT_SETTINGS, formatSettings, quoteLiteral, type ServerSettings } from './server-settings.ts'
import { giveToServerUser } from './server-user.ts'
import { type QueryOptions, querySql, type SqlRow } from './sql.ts'
import { makeServerFolder } from './temp-folder.ts'

/** What to make. Everything but the binaries has a default. */
export interface PostgresServerOptions {
  readonly binaries: PostgresBinaries
  /** Also `cluster_name`; default `node1`. */
  readonly name?: string
  /** A loopback address; default 127.0.0.1. */
  readonly host?: string
  /** Default: a free one. */
  readonly port?: number
  /** Where to make the server's own folder; default the temp directory. */
  readonly parentFolder?: string
  /** On top of DEFAULT_SETTINGS. */
  readonly settings?: ServerSettings
  /** A system identifier that no other server has. */
  readonly freshInitdb?: boolean
  /** `false`: leave the data directory to somebody else (a copy, `repmgr standby clone`). */
  readonly initialize?: boolean
}

/** Trust for the superusers of the tests, a SCRAM password for everybody else. */
const DEFAULT_HBA = [
  'local all all trust',
  'host all postgres,repmgr all trust',
  'host replication postgres,repmgr all trust',
  'host all all all scram-sha-256',
]

/** A server and its folder. `create` makes one, `destroy` removes all of it; what is between is up to the test. */
export class PostgresServer extends Postmaster {
  #settings: ServerSettings
  #hbaLines: readonly string[] = DEFAULT_HBA
  readonly #releases: (() => void)[] = []

  private constructor(options: PostgresServerOptions, port: number, folder: string) {
    const { name = 'node1', host = '127.0.0.1', binaries } = options
    super({ name, host, port, binaries, folder })
    this.#settings = {
      ...DEFAULT_SETTINGS,
      listen_addresses: this.host,
      port,
      cluster_name: this.name,
      // Socket paths are limited to about 100 bytes; macOS's temp directory alone takes half of that.
      unix_socket_directories: folder.length < 80 ? folder : '',
      hba_file: join(folder, 'pg_hba.conf'),
      ...options.settings,
    }
  }

  /** Makes the folder, configuration and (unless told not to) data directory. Starts nothing. */
  static async create(options: PostgresServerOptions): Promise<PostgresServer> {
    const name = options.name ?? 'node1'
    const port = options.port ?? (await freePort([options.host ?? '127.0.0.1']))
    const folder = options.parentFolder === undefined ? makeServerFolder(name) : join(options.parentFolder, name)
    if (options.parentFolder !== undefined) {
      mkdirSync(folder, { mode: 0o700 })
      giveToServerUser(folder)
    }
    const server = new PostgresServer(options, port, folder)
    server.#releases.push(reapOnExit({ kind: 'folder', path: folder }))
    server.#releases.push(reapOnExit({ kind: 'data-directory', path: server.dataDirectory }))
    try {
      server.#writeConfiguration()
      if (options.initialize !== false) {
        await makeDataDirectory(server.dataDirectory, options.binaries, { fresh: options.freshInitdb ?? false })
        server.#writeSettingsForRewind({ ...DEFAULT_SETTINGS, ...options.settings })
      }
      return server
    } catch (error) {
      await server.destroy()
      throw error
    }
  }

  /** The settings in force after the next start, the harness's own included. */
  get settings(): ServerSettings {
    return this.#settings
  }

  /** `host=… port=…` and so on, for the superuser, as libpq reads it. */
  conninfo(extra: Readonly<Record<string, string | number>> = {}): string {
    const parts = { host: this.host, port: this.port, user: 'postgres', ...extra }
    return Object.entries(parts)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ')
  }

  /**
   * Makes a standby the primary, and waits until it takes writes. `sql` calls pg_promote(), `signal` does what
   * `pg_ctl promote` does. repmgr is told nothing.
   */
  async promote(way: 'sql' | 'signal' = 'sql'): Promise<void> {
    if (way === 'sql') {
      await this.query('SELECT pg_promote(true, 30)', { timeoutMs: 35_000 })
    } else {
      // In place only when it is the server's: any SIGUSR1, of which there are many, has the server take it.
      const draft = join(this.dataDirectory, 'promote.draft')
      writeFileSync(draft, '')
      giveToServerUser(draft)
      renameSync(draft, join(this.dataDirectory, 'promote'))
      this.signal('SIGUSR1')
    }
    await this.waitFor('SELECT NOT pg_is_in_recovery()')
  }

  /** Makes the stopped server a standby at its next start, or a primary. Says nothing of where it replicates from. */
  setStandbySignal(present: boolean): void {
    const file = join(this.dataDirectory, 'standby.signal')
    rmSync(file, { force: true })
    if (!present) return
    writeFileSync(file, '')
    giveToServerUser(file)
  }

  get hasStandbySignal(): boolean {
    return existsSync(join(this.dataDirectory, 'standby.signal'))
  }

  /** Adds or replaces settings; `null` takes one out. They hold from the next `reload` or start on, by their kind. */
  configure(changes: Readonly<Record<string, string | number | boolean | null>>): void {
    const merged = Object.entries({ ...this.#settings, ...changes }).filter(([, value]) => value !== null)
    this.#settings = Object.fromEntries(merged) as ServerSettings
    this.#writeConfiguration()
  }

  /**
   * Writes one setting where pg_basebackup, pg_rewind and repmgr look for it: postgresql.auto.conf in the data
   * directory, which wins over the configuration file. `null` takes it out. The server need not run.
   */
  setAutoConf(name: string, value: string | null): void {
    const path = join(this.dataDirectory, 'postgresql.auto.conf')
    const kept = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith(`${name} `) && !line.startsWith(`${name}=`))
    if (value !== null) kept.push(`${name} = ${quoteLiteral(value)}`)
    writeFileSync(path, `${kept.join('\n')}\n`, { mode: 0o600 })
    giveToServerUser(path)
  }

  /** Puts lines before the usual ones of pg_hba.conf, in place of those put there earlier. */
  setHbaLines(lines: readonly string[]): void {
    this.#hbaLines = [...lines, ...DEFAULT_HBA]
    this.#writeConfiguration()
  }

  /** Writes a file (a certificate, a key) into the server's folder, readable by the server alone; gives its path. */
  writeFile(name: string, content: string | Buffer): string {
    const path = join(this.folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    giveToServerUser(path)
    return path
  }

  /** Has the server read its configuration again. Takes effect within milliseconds, not at once. */
  reload(): void {
    this.signal('SIGHUP')
  }

  /** Runs SQL as superuser on a connection of its own, which is closed whatever happens. Rows are objects. */
  async query(sql: string, options: QueryOptions = {}): Promise<readonly SqlRow[]> {
    return await querySql(this, sql, options)
  }

  /** The first column of the first row; `undefined` when there is no row. */
  async value(sql: string, options: QueryOptions = {}): Promise<unknown> {
    const [row] = await this.query(sql, options)
    return row === undefined ? undefined : Object.values(row)[0]
  }

  /** Asks until the first column of the first row is true. Errors count as "not yet", and are told in the end. */
  async waitFor(sql: string, options: QueryOptions & { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs = 15_000, ...queryOptions } = options
    await waitFor(`${this.name}: ${sql}`, () => this.value(sql, { timeoutMs: 2_000, ...queryOptions }), { timeoutMs })
  }

  /** Kills what runs and removes the data directory, so that another one can be put there. */
  async removeDataDirectory(): Promise<void> {
    await this.kill()
    rmSync(this.dataDirectory, { recursive: true, force: true, maxRetries: 5 })
  }

  /** Kills what runs and removes the folder. May be called again. */
  async destroy(): Promise<void> {
    await this.removeDataDirectory()
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
    for (const release of this.#releases.splice(0)) release()
  }

  /**
   * pg_rewind ends the recovery of a crashed server in single-user mode, with the postgresql.conf of the data
   * directory: without `wal_log_hints` there it refuses to go on. Copies of this directory have the file too.
   */
  #writeSettingsForRewind(settings: ServerSettings): void {
    appendFileSync(join(this.dataDirectory, 'postgresql.conf'), formatSettings(settings))
  }

  #writeConfiguration(): void {
    this.writeFile('postgresql.conf', formatSettings(this.#settings))
    this.writeFile('pg_hba.conf', `${this.#hbaLines.join('\n')}\n`)
  }
}
