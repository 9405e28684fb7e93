/**
 * Where the peers and the sessions of the fuzzer meet: a listener and two servers, over TCP on loopback or Unix sockets,
 * opened once for all runs. Unix sockets hold little in the kernel, so what is not read soon piles up where it can be
 * seen. Test support.
 */
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Listener } from '../../../src/net/listener.ts'
import type { NodeAddress } from '../../../src/topology/observation.ts'

export interface Connections {
  /** The proxy has accepted a client. */
  readonly onClient: (socket: Socket) => void
  /** The server of a node was dialled. */
  readonly onDialed: (socket: Socket, node: string) => void
}

export const NODES = ['node1', 'node2'] as const

/** Nobody listens there. */
export const REFUSED: NodeAddress = { host: '127.0.0.1', port: 1 }

export class Transport {
  /** Whom connections go to now. */
  connections: Connections | null = null
  readonly addresses = new Map<string, NodeAddress>()
  readonly #servers: Server[] = []
  readonly #folder: string | null
  readonly #listener: Listener

  private constructor(kind: 'tcp' | 'unix') {
    this.#folder = kind === 'unix' ? mkdtempSync(join(tmpdir(), 'pgha-fuzz-')) : null
    const address =
      this.#folder === null
        ? ({ kind: 'tcp', host: '127.0.0.1', port: 0 } as const)
        : ({ kind: 'unix', path: join(this.#folder, 'listener') } as const)
    this.#listener = new Listener({
      address,
      onConnection: (socket) => (this.connections === null ? socket.destroy() : this.connections.onClient(socket)),
      onError: (error) => {
        throw error
      },
    })
  }

  static async open(kind: 'tcp' | 'unix'): Promise<Transport> {
    const transport = new Transport(kind)
    await transport.#listener.open()
    for (const node of NODES) await transport.#serve(node)
    return transport
  }

  async #serve(node: string): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      if (this.connections === null) socket.destroy()
      else this.connections.onDialed(socket, node)
    })
    this.#servers.push(server)
    if (this.#folder === null) {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const opened = server.address()
      if (opened === null || typeof opened === 'string') throw new Error('not listening on TCP')
      this.addresses.set(node, { host: '127.0.0.1', port: opened.port })
      return
    }
    const host = join(this.#folder, node)
    mkdirSync(host)
    server.listen(join(host, '.s.PGSQL.5432'))
    await once(server, 'listening')
    this.addresses.set(node, { host, port: 5432 })
  }

  /** A new client of the proxy. */
  connect(): Socket {
    const target =
      this.#folder === null
        ? { host: '127.0.0.1', port: Number(this.#listener.address.split(':').at(-1)) }
        : { path: join(this.#folder, 'listener') }
    return connect({ ...target, allowHalfOpen: true })
  }

  async close(): Promise<void> {
    this.#listener.close()
    for (const server of this.#servers) server.close()
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true })
  }
}
