/**
 * The ways to a pair of servers that are compared: pgha-proxy and HAProxy with an external check, which run through all
 * failovers; nginx and HAProxy with pgsql-check, which are started anew for each with the primary of then, as they would
 * have to be set right by hand; and libpq with both servers, which is no program. Benchmark support.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { freePort } from '../../support/free-port.ts'
import { findBinaries, requireTool } from '../../support/postgres-binaries.ts'
import type { PostgresCluster } from '../../support/postgres-cluster.ts'
import { APPLICATION_LOGIN } from '../../support/roles.ts'
import { ProgramProcess, type Target } from '../contenders/contender.ts'
import { OWN, type OwnProxy, startOwnProxy } from '../contenders/own-proxy.ts'
import { peerVersion, STREAM_MODULES } from '../contenders/peers.ts'
import {
  CHECK_SCRIPT,
  haproxyExternalCheck,
  haproxyPgsqlCheck,
  nginxPair,
  type PairOptions,
} from './failover-configs.ts'

export const NGINX = 'nginx, backup'
export const PGSQL_CHECK = 'HAProxy, pgsql-check'
export const EXTERNAL_CHECK = 'HAProxy, external check'
export const MULTI_HOST = 'libpq, both hosts'

/** Where its clients connect, as libpq reads it. */
export interface FailoverContender {
  readonly name: string
  readonly conninfo: string
}

const LOGIN = `user=${APPLICATION_LOGIN.user} dbname=${APPLICATION_LOGIN.database} sslmode=disable gssencmode=disable`

export class FailoverContenders {
  readonly own: OwnProxy
  /** What each was started with the last time, for the report. */
  readonly configs = new Map<string, string>()
  readonly #folder: string
  readonly #isQuick: boolean
  readonly #started: ProgramProcess[] = []
  readonly #paired: ProgramProcess[] = []
  #externalPort: number | null = null

  private constructor(folder: string, own: OwnProxy, isQuick: boolean) {
    this.#folder = folder
    this.own = own
    this.#isQuick = isQuick
  }

  /** Starts what runs through all failovers. `folder` exists and is the caller's. */
  static async start(cluster: PostgresCluster, folder: string, isQuick: boolean): Promise<FailoverContenders> {
    const ownFolder = join(folder, OWN)
    mkdirSync(ownFolder)
    const own = await startOwnProxy({ folder: ownFolder, cluster, sessionsMax: 1_000 })
    const contenders = new FailoverContenders(folder, own, isQuick)
    contenders.configs.set(OWN, own.config)
    const [node1, node2] = [cluster.node('node1'), cluster.node('node2')]
    try {
      if (!isQuick && peerVersion('HAProxy') !== null) await contenders.#startExternalCheck(node1, node2)
      return contenders
    } catch (error) {
      await contenders.close()
      throw error
    }
  }

  /** All there are, with the right primary for those who have to be told. */
  async ready(primary: Target, standby: Target): Promise<readonly FailoverContender[]> {
    const all: FailoverContender[] = [{ name: OWN, conninfo: `${conninfoOf(this.own.target.port)}` }]
    const start = async (name: string, program: string, config: (pair: PairOptions) => string): Promise<void> => {
      const port = await freePort()
      const text = config({ port, primary, standby })
      const file = this.#write(name, 'config', text)
      const folder = dirname(file)
      const args = program === 'nginx' ? ['-p', folder, '-e', 'stderr', '-c', file] : ['-db', '-f', file]
      this.#paired.push(await ProgramProcess.start({ program, args, folder, ports: [port] }))
      this.configs.set(name, text)
      all.push({ name, conninfo: conninfoOf(port) })
    }
    if (peerVersion('HAProxy') !== null) await start(PGSQL_CHECK, 'haproxy', haproxyPgsqlCheck)
    if (this.#externalPort !== null) all.push({ name: EXTERNAL_CHECK, conninfo: conninfoOf(this.#externalPort) })
    if (this.#isQuick) return all
    const module = STREAM_MODULES.find((path) => existsSync(path)) ?? null
    if (peerVersion('nginx') !== null) await start(NGINX, 'nginx', (pair) => nginxPair(pair, module))
    const hosts = `host=${primary.host},${standby.host} port=${primary.port},${standby.port}`
    const multiHost = `${hosts} target_session_attrs=read-write connect_timeout=2`
    this.configs.set(MULTI_HOST, multiHost)
    all.push({ name: MULTI_HOST, conninfo: `${multiHost} ${LOGIN}` })
    return all
  }

  /** Ends those that have to be told. */
  async over(): Promise<void> {
    await Promise.all(this.#paired.splice(0).map((program) => program.close()))
  }

  async close(): Promise<void> {
    await this.over()
    await Promise.all([this.own.close(), ...this.#started.splice(0).map((program) => program.close())])
  }

  async #startExternalCheck(node1: Target, node2: Target): Promise<void> {
    const binaries = findBinaries('system')
    if ('missing' in binaries) return
    const port = await freePort()
    const command = this.#write(EXTERNAL_CHECK, 'is-primary', CHECK_SCRIPT)
    chmodSync(command, 0o755)
    const path = `${dirname(requireTool(binaries, 'psql'))}:/usr/bin:/bin`
    const text = haproxyExternalCheck({ port, primary: node1, standby: node2 }, { command, path })
    const file = this.#write(EXTERNAL_CHECK, 'config', text)
    const folder = dirname(file)
    this.#started.push(
      await ProgramProcess.start({ program: 'haproxy', args: ['-db', '-f', file], folder, ports: [port] }),
    )
    this.configs.set(EXTERNAL_CHECK, `${text}\n${CHECK_SCRIPT}`)
    this.#externalPort = port
  }

  #write(name: string, file: string, content: string): string {
    const folder = join(this.#folder, name.replaceAll(/\W+/g, '-'))
    mkdirSync(folder, { recursive: true })
    const path = join(folder, file)
    writeFileSync(path, content)
    return path
  }
}

function conninfoOf(port: number): string {
  return `host=127.0.0.1 port=${port} ${LOGIN}`
}
