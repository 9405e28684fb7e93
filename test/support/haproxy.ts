/** A real HAProxy in front of the proxy, as sites have one. Test support. Whoever starts it ends it. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { waitFor } from './condition.ts'
import { reapOnExit } from './reaper.ts'

/** `true`, or why the tests that need it cannot run; for `leftOut`. */
export function haproxyAvailable(): true | string {
  return spawnSync('haproxy', ['-v']).error === undefined ? true : 'haproxy is missing: install the package haproxy'
}

/** One way through it. */
export interface HaproxyRoute {
  /** `host:port` where its clients connect; IPv6 in brackets. */
  readonly bind: string
  /** `host:port` of the server behind it, and what HAProxy shall do: `send-proxy source 127.0.0.5`, `check` … */
  readonly server: string
}

export class Haproxy {
  readonly #child: ChildProcess
  readonly #output: string[] = []
  readonly #ended: Promise<void>

  private constructor(file: string) {
    // In the foreground and as one process.
    this.#child = spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    const { pid, stdout, stderr } = this.#child
    const release = pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid })
    for (const stream of [stdout, stderr]) stream?.on('data', (piece: Buffer) => this.#output.push(piece.toString()))
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve())
      this.#child.once('close', () => {
        release()
        resolve()
      })
    })
  }

  /** Resolves when it takes connections on every `bind`. */
  static async start(folder: string, routes: readonly HaproxyRoute[]): Promise<Haproxy> {
    const sections = routes.map(
      ({ bind, server }, index) => `listen route${index}\n  bind ${bind}\n  server proxy ${server}`,
    )
    const binds = routes.map(({ bind }) => bind)
    return await Haproxy.startWith(folder, sections, binds)
  }

  /** The same with sections as HAProxy's manual has them; `binds`: all that they have. */
  static async startWith(folder: string, sections: readonly string[], binds: readonly string[]): Promise<Haproxy> {
    const file = join(folder, 'haproxy.cfg')
    // Without a limit of its own a check that is answered later than `inter` has failed, on a busy machine too.
    const timeouts = ['connect 5s', 'client 60s', 'server 60s', 'check 5s'].map((timeout) => `  timeout ${timeout}`)
    const lines = ['global', '  maxconn 100', 'defaults', '  mode tcp', ...timeouts, ...sections]
    writeFileSync(file, `${lines.join('\n')}\n`)
    const haproxy = new Haproxy(file)
    for (const bind of binds) await haproxy.#waitFor(bind)
    return haproxy
  }

  async close(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  async #waitFor(bind: string): Promise<void> {
    const colon = bind.lastIndexOf(':')
    const host = bind.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
    const look = () =>
      new Promise<boolean>((resolve) => {
        const socket = connect({ host, port: Number(bind.slice(colon + 1)) })
        socket.once('connect', () => resolve(true))
        socket.once('error', () => resolve(false))
        socket.once('connect', () => socket.destroy())
      })
    await waitFor(`haproxy on ${bind}`, look).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.#output.join('')}`, { cause: error })
    })
  }
}
