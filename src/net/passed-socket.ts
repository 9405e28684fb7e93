/**
 * A listening socket that systemd has opened and handed over. Effect layer.
 *
 * Closing a server of Node closes its file descriptor, and a number that was closed may soon be another file. So it is
 * opened once and stays open until the proxy stops: between two listeners a client is disconnected at once. After the
 * stop clients wait in systemd's copy of the socket for the next process. A Unix socket's file is systemd's, too: it is
 * never removed.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { formatListenerAddress } from '../config/address.ts'
import { BACKLOG } from './listener.ts'

/** Who takes the connections of a passed socket while it is in use. */
export interface PassedSocketUser {
  /** The socket belongs to the receiver. It is paused, with nothing read from it. */
  readonly onConnection: (socket: Socket) => void
  /** An accept failed (no file descriptors left, say). */
  readonly onError: (error: Error) => void
}

export class PassedSocket {
  readonly name: string
  readonly #fd: number
  #server: Server | null = null
  #user: PassedSocketUser | null = null
  #failure: Error | null = null
  #isOver = false

  constructor(options: { readonly fd: number; readonly name: string }) {
    this.name = options.name
    this.#fd = options.fd
  }

  /** `host:port`; `null` for a Unix socket, and before it was opened. */
  get address(): string | null {
    const opened = this.#server?.address() ?? null
    return opened === null || typeof opened === 'string'
      ? null
      : formatListenerAddress({ kind: 'tcp', host: opened.address, port: opened.port })
  }

  /** For another process to inherit; `null` when it is closed, or was no listening socket. */
  get descriptor(): number | null {
    return this.#isOver || this.#failure !== null ? null : this.#fd
  }

  get isOpen(): boolean {
    return this.#user !== null && this.#server?.listening === true
  }

  /** Accepts for this user from now on. Rejects when the descriptor is no listening stream socket, now and for ever. */
  async open(user: PassedSocketUser): Promise<void> {
    this.#user = user
    if (this.#server !== null) return
    try {
      // After a failure the descriptor may be closed already: its number is not to be touched again.
      if (this.#failure !== null) throw this.#failure
      if (this.#isOver) throw new Error('it was closed when the proxy stopped')
      this.#server = await this.#listen()
    } catch (error) {
      this.#failure = error as Error
      this.#user = null
      throw error
    }
  }

  /** Disconnects whoever comes, until it is opened for another user. Idempotent. */
  release(): void {
    this.#user = null
  }

  /** For good: whoever comes waits for the next process. Idempotent. */
  close(): void {
    this.#user = null
    this.#isOver = true
    this.#server?.close(() => undefined)
    this.#server = null
  }

  #listen(): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      if (this.#user === null) socket.destroy()
      else this.#user.onConnection(socket)
    })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd: this.#fd, backlog: BACKLOG }, () => {
        server.removeListener('error', reject)
        server.on('error', (error) => this.#user?.onError(error))
        resolve(server)
      })
    })
  }
}
