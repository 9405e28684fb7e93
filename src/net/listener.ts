/**
 * One address that clients connect to: accepts, and makes a session of each connection. Effect layer.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { formatListenerAddress } from '../config/address.ts'
import { ListeningSocket, type OwnAddress } from './listening-socket.ts'

/** Connections that wait to be accepted. A thousand clients reconnect at once after a failover. */
export const BACKLOG = 1024

export interface ListenerOptions {
  readonly address: OwnAddress
  /** Permissions of the file of a Unix socket; left out: what the umask leaves. Without w nobody can connect. */
  readonly socketMode?: number
  /** A socket that listens at this address already, of the process before; left out: it is opened. */
  readonly inheritedFd?: number | undefined
  /** The socket belongs to the receiver. It is paused, with nothing read from it. */
  readonly onConnection: (socket: Socket) => void
  /** An accept failed after the listener had been opened (no file descriptors left, say). */
  readonly onError: (error: Error) => void
}

export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  readonly #socket: ListeningSocket

  constructor(options: ListenerOptions) {
    const { address, socketMode, inheritedFd } = options
    this.#options = options
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, options.onConnection)
    // As in nginx, `[::]` means IPv6 only: `0.0.0.0` can be listed beside it.
    const ipv6Only = address.kind === 'tcp' && address.host === '::'
    this.#socket = new ListeningSocket(this.#server, { address, socketMode, ipv6Only, backlog: BACKLOG, inheritedFd })
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

  /** For another process to inherit. Throws when it is not open. */
  get descriptor(): number {
    return this.#socket.descriptor
  }

  /** Rejects with the error of the system (EADDRINUSE, EACCES …), whose message names the address. */
  async open(): Promise<void> {
    await this.#socket.open()
    this.#server.on('error', this.#options.onError)
  }

  /** Gives the file of a Unix socket these permissions; does nothing to TCP. Rejects with the error of the system. */
  async permit(mode: number): Promise<void> {
    await this.#socket.permit(mode)
  }

  /** The process that it was inherited from is done with it. */
  claimFile(): void {
    this.#socket.claimFile()
  }

  /** Takes no more connections; those that are there stay. `keepFile`: another process listens on. Idempotent. */
  close(options: { readonly keepFile?: boolean } = {}): void {
    this.#socket.close(options)
  }
}
