/**
 * The listeners that are open, by their addresses in the configuration: opened together, replaced by a reload, closed at
 * the end. Composition layer. What is done with a connection is the daemon's.
 */
import { closeSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { formatListenerAddress } from '../config/address.ts'
import type { ListenerConfig } from '../config/config.ts'
import { Listener } from '../net/listener.ts'
import { PassedListener } from '../net/passed-listener.ts'
import { PassedSocket, type PassedSocketUser } from '../net/passed-socket.ts'
import { handoverProblem, listenHint, StartError } from './start-error.ts'
import type { HandedOverSocket, SystemdEnvironment } from './systemd-environment.ts'

/** The socket of a listener that has its address in the configuration. */
export interface AddressedSocket {
  /** As the configuration writes it. */
  readonly address: string
  readonly fd: number
}

/** All sockets of a set, for another process to inherit. */
export interface ListeningSockets {
  readonly listeners: readonly AddressedSocket[]
  /** Those that systemd has opened, used or not. */
  readonly passed: readonly HandedOverSocket[]
}

export interface ListenerSetOptions {
  readonly systemd: SystemdEnvironment
  /** Sockets of the process before. Those that no listener takes are closed by `closeOthers`. */
  readonly inherited?: readonly AddressedSocket[]
  /** The socket belongs to the receiver; `key` is the listener's address as in the configuration. */
  readonly onConnection: (socket: Socket, key: string) => void
  readonly logger: Logger
}

export class ListenerSet {
  readonly #options: ListenerSetOptions
  readonly #passed: readonly PassedSocket[]
  readonly #open = new Map<string, Listener | PassedListener>()
  /** Not taken by a listener yet; by address. */
  readonly #inherited: Map<string, number>
  #unused = ''
  #isPaused = false

  constructor(options: ListenerSetOptions) {
    this.#options = options
    this.#passed = options.systemd.sockets.map((socket) => new PassedSocket(socket))
    this.#inherited = new Map(options.inherited?.map(({ address, fd }) => [address, fd]))
  }

  /** Addresses as they were opened. */
  get addresses(): string[] {
    return [...this.#open.values()].map((listener) => listener.address)
  }

  /** They stay the set's: another process gets copies. */
  get sockets(): ListeningSockets {
    return {
      listeners: [...this.#open].flatMap(([address, listener]) =>
        listener instanceof Listener && listener.isOpen ? [{ address, fd: listener.descriptor }] : [],
      ),
      passed: this.#passed.flatMap(({ name, descriptor }) => (descriptor === null ? [] : [{ name, fd: descriptor }])),
    }
  }

  /** All that were opened still accept. */
  get isOpen(): boolean {
    return [...this.#open.values()].every((listener) => listener.isOpen)
  }

  /** Opens those that are not open yet: all, or none and a StartError. The others stay. Opens nothing during a pause. */
  async openMissing(configs: readonly ListenerConfig[]): Promise<void> {
    if (this.#isPaused) return
    const opened: string[] = []
    try {
      for (const [index, config] of this.#newFirst(configs)) {
        const key = formatListenerAddress(config.address)
        const open = this.#open.get(key)
        if (open !== undefined) {
          if (open instanceof Listener) await permit(open, config)
          continue
        }
        this.#open.set(key, await this.#openOne(config, index))
        opened.push(key)
      }
    } catch (error) {
      for (const key of opened) this.#close(key)
      throw error
    }
    // The pause began while they were being opened.
    if (this.#isPaused) for (const key of opened) this.#close(key)
  }

  /** Closes all until `resume`. Sockets that were handed over stay open, and disconnect whoever comes. */
  pause(): void {
    this.#isPaused = true
    for (const key of [...this.#open.keys()]) this.#close(key)
  }

  /** Opens these: all, or none and a StartError, and the pause goes on. */
  async resume(configs: readonly ListenerConfig[]): Promise<void> {
    this.#isPaused = false
    try {
      await this.openMissing(configs)
    } catch (error) {
      this.pause()
      throw error
    }
  }

  /** Closes those that the configuration does not have any more. */
  closeOthers(configs: readonly ListenerConfig[]): void {
    if (this.#isPaused) return
    const wanted = new Set(configs.map((config) => formatListenerAddress(config.address)))
    for (const key of [...this.#open.keys()]) if (!wanted.has(key)) this.#close(key)
    this.#closeInherited()
    this.#warnOfUnused()
  }

  /** The process before is done with what was inherited from it: the files of Unix sockets are ours. */
  claimFiles(): void {
    for (const listener of this.#open.values()) if (listener instanceof Listener) listener.claimFile()
  }

  /** For good. `keepFiles`: another process listens on, the files of Unix sockets are its. */
  close({ keepFiles = false }: { readonly keepFiles?: boolean } = {}): void {
    for (const key of [...this.#open.keys()]) this.#close(key, keepFiles)
    for (const socket of this.#passed) socket.close()
    this.#closeInherited()
  }

  /** With their places. Where clients come already, they do so last: whoever is accepted is lost when another fails. */
  #newFirst(configs: readonly ListenerConfig[]): [number, ListenerConfig][] {
    if (this.#options.inherited === undefined) return [...configs.entries()]
    const isInherited = ({ address }: ListenerConfig): number =>
      address.kind === 'fd' || this.#inherited.has(formatListenerAddress(address)) ? 1 : 0
    return [...configs.entries()].sort(([, one], [, other]) => isInherited(one) - isInherited(other))
  }

  #closeInherited(): void {
    for (const fd of this.#inherited.values()) closeSync(fd)
    this.#inherited.clear()
  }

  async #openOne(config: ListenerConfig, index: number): Promise<Listener | PassedListener> {
    const { onConnection, logger } = this.#options
    const key = formatListenerAddress(config.address)
    const handlers = {
      onConnection: (socket: Socket) => onConnection(socket, key),
      onError: (error: Error) => logger.error({ listener: key, problem: error.message }, 'listener failed'),
    }
    const { address } = config
    const listener =
      address.kind === 'fd'
        ? this.#passedListener(address.name, index, handlers)
        : new Listener({ address, socketMode: config.socketMode, inheritedFd: this.#inherited.get(key), ...handlers })
    // Whatever becomes of it: from here on the descriptor is the listener's.
    this.#inherited.delete(key)
    try {
      await listener.open()
    } catch (error) {
      if (address.kind === 'fd') throw handoverProblem({ index, name: address.name, kind: 'no-stream-listener', error })
      throw new StartError(`cannot listen on ${key}: ${(error as Error).message}`, listenHint(error), error)
    }
    logger.info({ listener: listener.address, route: config.route, tls: config.tls.mode }, 'listening')
    return listener
  }

  #passedListener(name: string, index: number, handlers: PassedSocketUser): PassedListener {
    const sockets = this.#passed.filter((socket) => socket.name === name)
    if (sockets.length > 0) return new PassedListener({ name, sockets, ...handlers })
    const { socketsOfPid } = this.#options.systemd
    const names = [...new Set(this.#passed.map((socket) => socket.name))]
    throw handoverProblem(
      socketsOfPid === null
        ? { index, name, kind: 'not-passed', names }
        : { index, name, kind: 'other-process', pid: socketsOfPid },
    )
  }

  #close(key: string, keepFile = false): void {
    this.#open.get(key)?.close({ keepFile })
    this.#open.delete(key)
  }

  /** Clients that connect to such a socket wait in vain: nobody refuses them. Said once as long as it stays so. */
  #warnOfUnused(): void {
    const names = [...new Set(this.#passed.map((socket) => socket.name))].filter(
      (name) => !this.#open.has(`fd:${name}`),
    )
    if (names.join() === this.#unused) return
    this.#unused = names.join()
    if (names.length > 0) {
      this.#options.logger.warn({ names }, 'sockets were handed over that no listener takes: add `address: fd:NAME`')
    }
  }
}

/** A reload may have other permissions for a socket that stays. */
async function permit(listener: Listener, { address, socketMode }: ListenerConfig): Promise<void> {
  try {
    await listener.permit(socketMode)
  } catch (error) {
    const key = formatListenerAddress(address)
    throw new StartError(`cannot set the permissions of ${key}: ${(error as Error).message}`, listenHint(error), error)
  }
}
