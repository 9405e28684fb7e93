/** One end of a connection in hostile hands: sends anything at any time and remembers what it sent and got. Test support. */
import type { Socket } from 'node:net'

export class HostilePeer {
  readonly socket: Socket
  readonly #sent: Buffer[] = []
  readonly #received: Buffer[] = []
  receivedBytes = 0
  hasEnded = false
  isClosed = false
  isReset = false

  constructor(socket: Socket) {
    this.socket = socket
    // Or the kernel waits with small pieces, and nobody can tell when all has arrived.
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#received.push(chunk)
      this.receivedBytes += chunk.length
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  /** All that was handed to the socket; the tail may never have left. */
  get sent(): Buffer {
    return Buffer.concat(this.#sent)
  }

  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  /** Nothing of what it sent or was sent is lost on its side. */
  get isSound(): boolean {
    return !this.isClosed && !this.isReset && !this.socket.destroyed
  }

  send(bytes: Buffer): void {
    if (bytes.length === 0 || this.hasEnded || this.socket.destroyed) return
    this.#sent.push(bytes)
    this.socket.write(bytes)
  }

  end(): void {
    this.hasEnded = true
    this.socket.end()
  }

  /** RST; a Unix socket has none, and is closed. So is one that has sent FIN: Node cannot reset it and keeps it open. */
  reset(): void {
    this.isReset = true
    if (this.socket.localAddress === undefined || this.hasEnded) this.socket.destroy()
    else this.socket.resetAndDestroy()
  }

  toggleReading(): void {
    if (this.socket.isPaused()) this.socket.resume()
    else this.socket.pause()
  }
}
