/**
 * One address that clients connect to: accepts, and makes a session of each connection. Effect layer.
 */
import { chmod, lstat, unlink } from 'node:fs/promises'
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import { formatListenerAddress } from '../config/address.ts'
import type { ListenerAddress } from '../config/config.ts'

/** Connections that wait to be accepted. A thousand clients reconnect at once after a failover. */
export const BACKLOG = 1024

/** An address that the proxy opens itself. For those that are handed over there is passed-listener.ts. */
export type OwnAddress = Exclude<ListenerAddress, { readonly kind: 'fd' }>

export interface ListenerOptions {
  readonly address: OwnAddress
  /** Permissions of the file of a Unix socket; left out: what the umask leaves. Without w nobody can connect. */
  readonly socketMode?: number
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

  /**
   * Rejects with the error of the system (EADDRINUSE, EACCES …), whose message names the address. A Unix socket that
   * nobody listens on any more, which a killed process leaves behind, is replaced.
   */
  async open(): Promise<void> {
    const { address } = this.#options
    try {
      await this.#listen()
    } catch (error) {
      if (address.kind !== 'unix' || !(await isAbandoned(address.path, error as NodeJS.ErrnoException))) throw error
      await unlink(address.path)
      await this.#listen()
    }
    this.#server.on('error', this.#options.onError)
    try {
      if (this.#options.socketMode !== undefined) await this.permit(this.#options.socketMode)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Gives the file of a Unix socket these permissions; does nothing to TCP. Rejects with the error of the system. */
  async permit(mode: number): Promise<void> {
    const { address } = this.#options
    if (address.kind === 'unix') await chmod(address.path, mode)
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(listenOptions(this.#options.address), () => {
        this.#server.removeListener('error', reject)
        resolve()
      })
    })
  }

  /** Takes no more connections; those that are there stay. Idempotent. */
  close(): void {
    this.#server.close(() => undefined)
  }
}

function listenOptions(address: OwnAddress): ListenOptions {
  switch (address.kind) {
    case 'tcp':
      // As in nginx, `[::]` means IPv6 only: `0.0.0.0` can be listed beside it.
      return { host: address.host, port: address.port, backlog: BACKLOG, ipv6Only: address.host === '::' }
    case 'unix':
      return { path: address.path, backlog: BACKLOG }
    default: {
      const unhandled: never = address
      return unhandled
    }
  }
}

/** True for a socket, and nothing else, that refuses to be connected to. */
async function isAbandoned(path: string, error: NodeJS.ErrnoException): Promise<boolean> {
  if (error.code !== 'EADDRINUSE') return false
  const found = await lstat(path).catch(() => null)
  if (found?.isSocket() !== true) return false
  return await new Promise((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (refusal: NodeJS.ErrnoException) => resolve(refusal.code === 'ECONNREFUSED'))
  })
}
