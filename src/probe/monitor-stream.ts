/**
 * The byte stream under one monitoring session: dials, asks for TLS, then is what `pg` takes for its socket. Effect
 * layer. It exists so that the probe owns the socket: it can be destroyed at any stage, no error is without a listener,
 * bytes that are not PostgreSQL's never reach the parser, and what the parser throws ends this stream, not the process.
 */
import { connect, isIP, type LookupFunction, type NetConnectOpts, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import type { NodeAddress } from '../topology/observation.ts'
import { ProbeError } from './classify-failure.ts'
import { LoginGuard } from './login-guard.ts'
import { createMessageGate } from './message-gate.ts'
import type { ProbeStage } from './monitor-access.ts'
import { requestTls, startTls, type TlsAttempt } from './monitor-tls.ts'

/** Where and how to dial. `timeoutMs` is the whole probe's: no single address may use all of it. */
export interface MonitorStreamOptions {
  readonly address: NodeAddress
  readonly attempt: TlsAttempt
  /** Called only when the server takes TLS. */
  readonly tlsOptions: () => Promise<ConnectionOptions>
  readonly lookup: LookupFunction
  readonly timeoutMs: number
  readonly onStage: (stage: ProbeStage) => void
}

/** Emits `connect` when the StartupMessage may be written, `error` at most once, and `close` always at the end. */
export class MonitorStream extends Duplex {
  readonly #options: MonitorStreamOptions
  #socket: Socket | null = null
  #isEncrypted = false
  #isVerified = false
  readonly #guard = new LoginGuard(() => this.#isVerified)
  readonly #gate = createMessageGate((message) => this.#guard.check(message))

  constructor(options: MonitorStreamOptions) {
    super({ allowHalfOpen: false })
    this.#options = options
    // A Unix socket: nobody but the administrators of this machine can put another server there.
    this.#isVerified = options.address.host.startsWith('/')
    // An abandoned stream may still fail: nobody is to hear of it, and nothing is to crash.
    this.on('error', () => {})
  }

  /** True once the handshake is done. */
  get isEncrypted(): boolean {
    return this.#isEncrypted
  }

  /** `pg` calls it with a port and host; the address given at construction is the one that counts. */
  connect(): this {
    this.#dial().catch((error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))))
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#gate.asked()
    if (this.#socket === null) callback(new ProbeError('reset', 'not connected'))
    else this.#socket.write(chunk, callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#socket === null) callback()
    else this.#socket.end(callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket?.destroy()
    callback(error)
  }

  async #dial(): Promise<void> {
    const { attempt, onStage, tlsOptions } = this.#options
    const socket = await this.#connectSocket()
    let stream = socket
    if (attempt !== 'plain') {
      onStage('tls')
      const answer = await requestTls(socket)
      if (answer === 'accepted') {
        const secure = await startTls(socket, await tlsOptions())
        stream = secure
        this.#isEncrypted = true
        this.#isVerified = secure.authorized
      } else if (attempt === 'must') {
        throw new ProbeError('auth', 'the server does not offer TLS, and monitor.sslmode asks for it')
      }
    }
    if (this.destroyed) {
      stream.destroy()
      return
    }
    if (stream !== socket) this.#adopt(stream)
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.resume()
    onStage('startup')
    this.emit('connect')
  }

  #connectSocket(): Promise<Socket> {
    const { onStage } = this.#options
    const options = this.#dialOptions()
    onStage('path' in options || isIP(this.#options.address.host) !== 0 ? 'connect' : 'resolve')
    const socket = connect(options)
    this.#adopt(socket)
    return new Promise((resolve, reject) => {
      socket.once('connect', () => resolve(socket))
      socket.once('error', reject)
      socket.once('close', () => reject(new ProbeError('reset', 'the connection was closed while connecting')))
    })
  }

  #dialOptions(): NetConnectOpts {
    const { address, lookup, onStage, timeoutMs } = this.#options
    if (address.host.startsWith('/')) return { path: `${address.host}/.s.PGSQL.${address.port}` }
    return {
      host: address.host,
      port: address.port,
      noDelay: true,
      lookup: (hostname, lookupOptions, callback) =>
        lookup(hostname, lookupOptions, (error, address, family) => {
          if (error === null) onStage('connect')
          callback(error, address, family)
        }),
      autoSelectFamily: true,
      // A dead first address leaves the greater part of the time to the others.
      autoSelectFamilyAttemptTimeout: Math.max(10, Math.min(250, Math.floor(timeoutMs / 4))),
    }
  }

  /** From now on the end of `socket` is the end of this stream. */
  #adopt(socket: Socket): void {
    this.#socket = socket
    socket.on('error', (error) => this.destroy(error))
    socket.on('end', () => this.destroy())
    socket.on('close', () => this.destroy())
    if (this.destroyed) socket.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.destroyed) return
    try {
      const messages = this.#gate.accept(chunk)
      if (messages !== null) this.emit('data', messages)
    } catch (error) {
      // pg throws on what it does not know: right here, where a bare socket would have made it an uncaught exception.
      this.destroy(readingError(error))
    }
  }
}

function readingError(error: unknown): ProbeError {
  if (error instanceof ProbeError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const method = /^Unknown authenticationOk message type (\d+)/.exec(reason)?.[1]
  if (method !== undefined) {
    // 7 is GSSAPI, 9 is SSPI.
    return new ProbeError('auth', `the server asks for authentication method ${method}, which a probe cannot do`)
  }
  return new ProbeError('protocol', `the server's answer cannot be read: ${reason}`, { cause: error })
}
