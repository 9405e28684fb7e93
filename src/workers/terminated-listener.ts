/** One listener that terminates TLS: what it shows to clients, and how it reaches servers, out of its files. Composition layer. */
import { stat } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { TerminatedTls } from '../config/config.ts'
import { type TlsFiles, type TlsMaterial, tlsFilePaths } from '../config/tls-files.ts'
import type { ServerTls } from '../net/server-tls.ts'
import type { Termination } from '../net/session-environment.ts'
import { TlsAcceptor, type TlsIdentity } from '../net/tls-acceptor.ts'

export class TerminatedListener {
  readonly tls: TerminatedTls
  #termination: Termination | null = null
  #serverContext: SecureContext | null = null
  #notAfter: Date | null = null
  /** Of the files, when they were read last, and when they were looked at last. */
  #readState = ''
  #seenState = ''

  constructor(tls: TerminatedTls) {
    this.tls = tls
  }

  /** `null` before the first `load` that went well. The same object from then on. */
  get termination(): Termination | null {
    return this.#termination
  }

  /** When the certificate expires. */
  get notAfter(): Date | null {
    return this.#notAfter
  }

  /** Reads and takes over what will do; otherwise all stays as it was. */
  async load(read: () => Promise<TlsFiles>): Promise<TlsFiles> {
    const state = await this.#stateOfFiles()
    const files = await read()
    // Also when they will not do: they are told of once, and read again when they change again.
    this.#readState = state
    this.#seenState = state
    if (files.ok) this.#take(files.material)
    return files
  }

  /** Whether the files are others than those that were read last, and have been so since the last call. */
  async hasNewFiles(): Promise<boolean> {
    const state = await this.#stateOfFiles()
    const isSettled = state === this.#seenState
    this.#seenState = state
    return isSettled && state !== this.#readState
  }

  #take({ cert, key, clientCa, serverCa, notAfter }: TlsMaterial): void {
    this.#notAfter = notAfter
    const { minVersion, serverSslmode, require } = this.tls
    const identity: TlsIdentity = { cert, key, clientCa, minVersion }
    this.#serverContext =
      serverSslmode === 'disable'
        ? null
        : createSecureContext({ minVersion: 'TLSv1.2', ...(serverCa === null ? {} : { ca: serverCa }) })
    if (this.#termination !== null) return this.#termination.acceptor.renew(identity)
    this.#termination = {
      acceptor: new TlsAcceptor(identity),
      requiresTls: require,
      serverTls: this.#serverTls(),
    }
  }

  #serverTls(): ServerTls | null {
    const { serverSslmode: sslmode } = this.tls
    if (sslmode === 'disable') return null
    return { sslmode, context: () => this.#serverContext ?? createSecureContext() }
  }

  /** What changes when a file is replaced, rewritten, or reached by another symbolic link. */
  async #stateOfFiles(): Promise<string> {
    const paths = Object.values(tlsFilePaths(this.tls)).filter((path) => path !== null)
    const states = paths.map(async (path) => {
      const found = await stat(path, { bigint: true }).catch(() => null)
      return found === null ? 'none' : `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}`
    })
    return (await Promise.all(states)).join(' ')
  }
}
