/** Starts and ends an instant server. Benchmark support. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ProxiedCluster } from '../../support/proxy-config.ts'
import { reapOnExit } from '../../support/reaper.ts'
import { MONITOR_LOGIN } from '../../support/roles.ts'

export class InstantServer {
  readonly port: number
  readonly #child: ChildProcess
  readonly #release: () => void

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    this.#release = child.pid === undefined ? () => {} : reapOnExit({ kind: 'process', pid: child.pid })
  }

  static async start(): Promise<InstantServer> {
    const child = fork(fileURLToPath(new URL('./instant-server.ts', import.meta.url)), [], { stdio: 'inherit' })
    const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }]
    return new InstantServer(child, port)
  }

  /** As a cluster of one node, for the proxy's configuration. */
  get cluster(): ProxiedCluster {
    return { nodes: [{ name: 'node1', host: '127.0.0.1', port: this.port }], monitor: MONITOR_LOGIN }
  }

  async close(): Promise<void> {
    const isOver = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await isOver
    this.#release()
  }
}
