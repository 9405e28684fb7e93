/**
 * Ends clients' TLS here: takes an accepted socket, does the handshake as a server and gives the stream inside. Effect
 * layer, one for each listener that terminates TLS. It reads no file, and knows no PostgreSQL but for ALPN.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
import { constants } from 'node:crypto'
import type { Socket } from 'node:net'
import { createServer, type SecureContextOptions, type SecureVersion, type Server, type TLSSocket } from 'node:tls'
import { TurnoverMap } from '../session/turnover-map.ts'

/** What TLS calls PostgreSQL's protocol. */
export const ALPN_PROTOCOL = 'postgresql'

/** As PostgreSQL: nothing is negotiated anew within a session, and no session is resumed by a ticket. */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET

/** The session's own limit of time is the one that counts. */
const NO_TIMEOUT_MS = 2 ** 31 - 1

/** Who the proxy is to its clients, in PEM. */
export interface TlsIdentity {
  readonly cert: Buffer
  readonly key: Buffer
  /** Clients need a certificate of these authorities; `null`: they are not asked for any. */
  readonly clientCa: Buffer | null
  readonly minVersion: SecureVersion
}

export interface HandshakeOptions {
  /** The client opened with TLS, so that ALPN has to say what for: another protocol's client may have been led here. */
  readonly isDirect: boolean
  /** The stream owns the socket. `certificateProblem`: why the client's certificate will not do, if one is wanted. */
  readonly onSecure: (stream: TLSSocket, certificateProblem: string | null) => void
  /**
   * Called once instead, unless the socket was closed before. OpenSSL's reason or a constant text, nothing of the client's.
   * The socket closes by itself; whoever destroyed it in this very call would take it away from under OpenSSL.
   */
  readonly onFailed: (problem: string) => void
}

export class TlsAcceptor {
  readonly #server: Server
  readonly #wantsCertificate: boolean
  readonly #handshakes = new TurnoverMap<string, HandshakeOptions>()

  /** Throws what OpenSSL says of a certificate or key that it cannot use. */
  constructor(identity: TlsIdentity) {
    this.#wantsCertificate = identity.clientCa !== null
    this.#server = createServer({
      ...contextOptions(identity),
      ALPNProtocols: [ALPN_PROTOCOL],
      requestCert: this.#wantsCertificate,
      // They are refused in PostgreSQL's words, which their users can read, after the handshake.
      rejectUnauthorized: false,
      handshakeTimeout: NO_TIMEOUT_MS,
    })
    this.#server.on('secureConnection', (stream) => this.#finish(stream))
    this.#server.on('tlsClientError', (error, stream) => this.#take(stream)?.onFailed(describe(error)))
  }

  /** For handshakes from now on; streams that are there stay. Throws as the constructor, and keeps the old one then. */
  renew(identity: TlsIdentity): void {
    this.#server.setSecureContext(contextOptions(identity))
  }

  /**
   * Begins the handshake. Bytes of the client's that were read already must have been put back with `unshift`. Nothing
   * may read or write the socket from here on; it may be destroyed at any time.
   */
  accept(socket: Socket, options: HandshakeOptions): void {
    const key = endpointsOf(socket)
    this.#handshakes.set(key, options)
    socket.once('close', () => this.#handshakes.delete(key))
    // Half of a handshake is nothing: a client that closes its side is gone. After it half-close means something.
    socket.allowHalfOpen = false
    this.#server.emit('connection', socket)
  }

  #finish(stream: TLSSocket): void {
    const handshake = this.#take(stream)
    if (handshake === null) {
      stream.destroy()
      return
    }
    stream.allowHalfOpen = true
    if (handshake.isDirect && stream.alpnProtocol !== ALPN_PROTOCOL) {
      stream.destroy()
      handshake.onFailed(`direct TLS without ALPN ${ALPN_PROTOCOL}`)
      return
    }
    const isMissing = this.#wantsCertificate && !stream.authorized
    handshake.onSecure(stream, isMissing ? certificateProblem(stream) : null)
  }

  #take(stream: TLSSocket): HandshakeOptions | null {
    const key = endpointsOf(stream)
    const handshake = this.#handshakes.get(key) ?? null
    this.#handshakes.delete(key)
    return handshake
  }
}

function contextOptions({ cert, key, clientCa, minVersion }: TlsIdentity): SecureContextOptions {
  return {
    cert,
    key,
    minVersion,
    secureOptions: SECURE_OPTIONS,
    sessionIdContext: 'pgha-proxy',
    ...(clientCa === null ? {} : { ca: clientCa }),
  }
}

/** What two sockets over one connection have in common: Node does not say which socket a TLSSocket was made of. */
function endpointsOf(socket: Socket): string {
  return [socket.remoteAddress, socket.remotePort, socket.localAddress, socket.localPort].join(' ')
}

/** Of OpenSSL's error the reason, which is one of a fixed list. */
function describe(error: Error): string {
  const { code, reason } = error as NodeJS.ErrnoException & { readonly reason?: string }
  return reason ?? code ?? 'failed'
}

/** A code of OpenSSL such as CERT_HAS_EXPIRED. Without any certificate it says UNABLE_TO_GET_ISSUER_CERT. */
function certificateProblem(stream: TLSSocket): string {
  if (stream.getPeerX509Certificate() === undefined) return 'none was sent'
  // Typed as an error, and a text in fact.
  return String(stream.authorizationError)
}
