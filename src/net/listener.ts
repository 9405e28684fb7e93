/**
 * One address that clients connect to: accepts, and makes a session of each connection. Effect layer.
 */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { formatListenerAddress } from '../config/address.ts'
import type { ListenerAddress } from '../config/config.ts'

/** Connections that wait to be accepted. A thousand clients reconnect at once after a failover. */
const BACKLOG = 1024

export interface ListenerOptions {
  readonly address: ListenerAddress
  /** The socket belongs to the receiver. */
  readonly onConnection: (socket: Socket) => void
  /** An accept failed after the listener had been opened (no file descriptors left, say). */
  readonly onError: (error: Error) => void
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, options.onConnection)
  }

  /** `host:port` as it was opened, with the port that was given for port 0; the path of a Unix socket. */
  get address(): string {
    const opened = this.#server.address()
    if (opened === null || typeof opened === 'string') return formatListenerAddress(this.#options.address)
    return formatListenerAddress({ kind: 'tcp', host: opened.address, port: opened.port })
  }

  get isOpen(): boolean {
    return this.#server.listening
  }

  /** Rejects with the error of the system (EADDRINUSE, EACCES …), whose message names the address. */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(listenOptions(this.#options.address), () => {
        this.#server.removeListener('error', reject)
        this.#server.on('error', this.#options.onError)
        resolve()
      })
    })
  }

  /** Takes no more connections; those that are there stay. Idempotent. */
  close(): void {
    this.#server.close(() => undefined)
  }
}

function listenOptions(address: ListenerAddress): ListenOptions {
  switch (address.kind) {
    case 'tcp':
      // As in nginx, `[::]` means IPv6 only: `0.0.0.0` can be listed beside it.
      return { host: address.host, port: address.port, backlog: BACKLOG, ipv6Only: address.host === '::' }
    case 'unix':
      return { path: address.path, backlog: BACKLOG }
    case 'fd':
      throw new Error('sockets handed over by systemd are refused by the configuration')
    default: {
      const unhandled: never = address
      return unhandled
    }
  }
}
