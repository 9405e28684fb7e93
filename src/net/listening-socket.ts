/**
 * The listening socket of a server: opened at an address, or inherited from the process before, which listened there
 * already. Effect layer. Who takes the connections is the server's to know.
 */
import { chmod } from 'node:fs/promises'
import type { ListenOptions, Server } from 'node:net'
import type { ListenerAddress } from '../config/config.ts'
import { descriptorOf } from './server-descriptor.ts'
import { listenAtPath, type RemoveFile, removerOf } from './socket-file.ts'

type ServerListenOptions = ListenOptions & { readonly fd?: number }

/** An address that the proxy opens itself. For those that systemd hands over there is passed-socket.ts. */
export type OwnAddress = Exclude<ListenerAddress, { readonly kind: 'fd' }>

export interface ListeningSocketOptions {
  readonly address: OwnAddress
  /** Permissions of the file of a Unix socket; left out: what the umask leaves. Without w nobody can connect. */
  readonly socketMode?: number | undefined
  /** Of TCP. */
  readonly ipv6Only?: boolean
  /** Connections that wait to be accepted; left out: as Node has it. */
  readonly backlog?: number
  /** A socket that listens at this address already. It becomes the server's when it is opened. */
  readonly inheritedFd?: number | undefined
}

export class ListeningSocket {
  readonly #server: Server
  readonly #options: ListeningSocketOptions
  #removeFile: RemoveFile | null = null

  constructor(server: Server, options: ListeningSocketOptions) {
    this.#server = server
    this.#options = options
  }

  /** For another process to inherit. Throws when it does not listen. */
  get descriptor(): number {
    return descriptorOf(this.#server)
  }

  /**
   * Rejects with the error of the system (EADDRINUSE, EACCES …), whose message names the address; nothing is left open
   * then. A Unix socket that nobody listens on any more, which a killed process leaves behind, is replaced.
   */
  async open(): Promise<void> {
    const { address, socketMode, ipv6Only, backlog, inheritedFd } = this.#options
    const shared = backlog === undefined ? {} : { backlog }
    const listen = (options: ServerListenOptions): Promise<void> => listening(this.#server, { ...shared, ...options })
    try {
      if (inheritedFd !== undefined) {
        await listen({ fd: inheritedFd })
        if (socketMode !== undefined) await this.permit(socketMode)
      } else if (address.kind === 'tcp') {
        await listen({ host: address.host, port: address.port, ...(ipv6Only === undefined ? {} : { ipv6Only }) })
      } else {
        const { path } = address
        this.#removeFile = await listenAtPath({ path, mode: socketMode, listen: (at) => listen({ path: at }) })
      }
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

  /** The process that it was inherited from is done with it: the file is ours to remove. */
  claimFile(): void {
    const { address } = this.#options
    if (address.kind === 'unix') this.#removeFile ??= removerOf(address.path)
  }

  /** Takes no more connections; those that are there stay. `keepFile`: another process listens on. Idempotent. */
  close({ keepFile = false }: { readonly keepFile?: boolean } = {}): void {
    if (!keepFile) this.#removeFile?.()
    this.#removeFile = null
    this.#server.close(() => undefined)
  }
}

function listening(server: Server, options: ServerListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onListening = (): void => {
      server.off('error', onError)
      resolve()
    }
    const onError = (error: Error): void => {
      server.off('listening', onListening)
      reject(error)
    }
    server.once('error', onError)
    server.once('listening', onListening)
    server.listen(options)
  })
}
