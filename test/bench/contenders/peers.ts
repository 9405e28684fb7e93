/** The other proxies, each in front of one server: found, configured, started. Benchmark support. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Certificate } from '../../support/certificates.ts'
import { freePort } from '../../support/free-port.ts'
import { asServerUser, giveToServerUser } from '../../support/server-user.ts'
import { type Contender, ProgramProcess, type Target } from './contender.ts'
import { haproxyConfig, nginxConfig, pgbouncerConfig } from './peer-configs.ts'

export const PEERS = ['HAProxy', 'HAProxy 256 KiB', 'nginx', 'PgBouncer'] as const
export type PeerName = (typeof PEERS)[number]

const PROGRAMS = {
  HAProxy: ['haproxy', '-v'],
  'HAProxy 256 KiB': ['haproxy', '-v'],
  nginx: ['nginx', '-v'],
  PgBouncer: ['pgbouncer', '-V'],
} as const satisfies Record<PeerName, readonly [string, string]>

/** Where distributions put nginx's stream module when it is not built in. */
export const STREAM_MODULES = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules', '/usr/share/nginx/modules'].map(
  (folder) => join(folder, 'ngx_stream_module.so'),
)

/** What it says of its version, in one line; `null` when it is not installed. */
export function peerVersion(name: PeerName): string | null {
  const [program, flag] = PROGRAMS[name]
  const { error, stdout, stderr } = spawnSync(program, [flag], { encoding: 'utf8' })
  if (error !== undefined) return null
  return (
    `${stdout}${stderr}`
      .trim()
      .split('\n')[0]
      ?.replace(/ - http.*/, '') ?? program
  )
}

/** A peer that runs. `config` is what it was started with. */
export interface RunningPeer extends Contender {
  readonly name: PeerName
  readonly config: string
  readonly close: () => Promise<void>
}

export interface PeerOptions {
  /** The peer's files go into a folder of its name in here. */
  readonly folder: string
  readonly server: Target
  readonly sessionsMax: number
  readonly user: string
  /** For PgBouncer, the only one that can end TLS of PostgreSQL's kind. */
  readonly certificate?: Certificate
}

/** Starts one; its program has to be installed. */
export async function startPeer(name: PeerName, options: PeerOptions): Promise<RunningPeer> {
  const folder = join(options.folder, name.replaceAll(' ', '-'))
  mkdirSync(folder, { recursive: true })
  giveToServerUser(folder)
  const port = await freePort()
  const { config, program, args, spawnAs } = commandOf(name, { ...options, folder, port })
  const started = await ProgramProcess.start({ program, args, folder, ports: [port], ...(spawnAs ? { spawnAs } : {}) })
  const target = { host: '127.0.0.1', port }
  const isTerminating = name === 'PgBouncer'
  const hasTls = !isTerminating || options.certificate !== undefined
  return {
    name,
    target,
    tls: hasTls ? { kind: isTerminating ? 'terminated' : 'passed through', target } : null,
    pid: started.pid,
    config,
    close: () => started.close(),
  }
}

interface PeerCommand {
  readonly config: string
  readonly program: string
  readonly args: readonly string[]
  readonly spawnAs?: ReturnType<typeof asServerUser>
}

function commandOf(name: PeerName, options: PeerOptions & { readonly port: number }): PeerCommand {
  const { folder } = options
  const write = (file: string, content: string | Buffer): string => {
    const path = join(folder, file)
    writeFileSync(path, content, { mode: 0o600 })
    giveToServerUser(path)
    return path
  }
  switch (name) {
    case 'HAProxy':
    case 'HAProxy 256 KiB': {
      const config = haproxyConfig(options, name === 'HAProxy' ? null : 256 * 1024)
      return { config, program: 'haproxy', args: ['-db', '-f', write('haproxy.cfg', config)] }
    }
    case 'nginx': {
      const config = nginxConfig(options, STREAM_MODULES.find((path) => existsSync(path)) ?? null)
      const args = ['-p', folder, '-e', 'stderr', '-c', write('nginx.conf', config)]
      return { config, program: 'nginx', args }
    }
    case 'PgBouncer': {
      const { certificate, user } = options
      const config = pgbouncerConfig(options, {
        users: write('users.txt', `"${user}" ""\n`),
        certificate:
          certificate === undefined
            ? null
            : { certFile: write('tls.crt', certificate.cert), keyFile: write('tls.key', certificate.key) },
      })
      // It refuses to run as root.
      return { config, program: 'pgbouncer', args: [write('pgbouncer.ini', config)], spawnAs: asServerUser() }
    }
    default:
      return name satisfies never
  }
}
