/**
 * The listener of `fd:NAME`: all sockets of that name that systemd has handed over, as one. Effect layer.
 */
import type { PassedSocket, PassedSocketUser } from './passed-socket.ts'

export interface PassedListenerOptions extends PassedSocketUser {
  readonly name: string
  /** At least one; they outlive the listener. */
  readonly sockets: readonly PassedSocket[]
}

export class PassedListener {
  readonly #options: PassedListenerOptions

  constructor(options: PassedListenerOptions) {
    this.#options = options
  }

  /** `fd:NAME`, followed by the TCP addresses behind it. */
  get address(): string {
    const { name, sockets } = this.#options
    const addresses = sockets.map((socket) => socket.address).filter((address) => address !== null)
    return addresses.length === 0 ? `fd:${name}` : `fd:${name} (${addresses.join(', ')})`
  }

  get isOpen(): boolean {
    return this.#options.sockets.every((socket) => socket.isOpen)
  }

  /** All or none. Rejects with an error that says what is wrong with the socket. */
  async open(): Promise<void> {
    const { sockets } = this.#options
    try {
      for (const socket of sockets) await socket.open(this.#options)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Takes no more connections; those that are there stay. Idempotent. */
  close(): void {
    for (const socket of this.#options.sockets) socket.release()
  }
}
