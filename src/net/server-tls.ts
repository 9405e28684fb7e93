/**
 * TLS towards a node, for sessions whose TLS ends here: asks the server, takes its one-byte answer, does the handshake.
 * Effect layer. What of it is a fault of the connection and what one of the set-up is told apart: the first is tried
 * again elsewhere, the second is for an operator.
 *
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION
 */
import { isIP, type Socket } from 'node:net'
import { connect, type SecureContext, type TLSSocket } from 'node:tls'
import type { Clock } from '../ports.ts'
import { ENCRYPTION_ANSWERS } from '../protocol/message-types.ts'
import { buildSslRequest } from '../protocol/startup-packet.ts'
import { ALPN_PROTOCOL } from './tls-acceptor.ts'

/** How servers are reached; plain is no TLS at all. As in libpq, save that `prefer` does not dial a second time. */
export interface ServerTls {
  readonly sslmode: 'prefer' | 'require' | 'verify-ca' | 'verify-full'
  /** Trusted authorities and versions; read anew for each connection. */
  readonly context: () => SecureContext
}

export interface ServerTlsOptions {
  /** Connected, nothing sent or read. It belongs to this until it is given back or destroyed. */
  readonly socket: Socket
  readonly tls: ServerTls
  /** The node's name, which verify-full looks for in the certificate. */
  readonly host: string
  /** For answer and handshake together. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** The TLS stream, or with `prefer` and a server without TLS the socket itself. */
  readonly onReady: (socket: Socket) => void
  /** The connection broke, or what answered is no PostgreSQL. The socket is destroyed. */
  readonly onBroken: (why: string) => void
  /** The server does TLS otherwise than wanted. The socket is destroyed. */
  readonly onUntrusted: (why: string) => void
}

/** Starts. The returned function gives up: nothing is called after it. Idempotent. */
export function startServerTls(options: ServerTlsOptions): () => void {
  const { socket, tls } = options
  let stream: TLSSocket | null = null
  let isOver = false
  const finish = (): boolean => {
    if (isOver) return false
    isOver = true
    cancelTimer()
    socket.off('data', onAnswer).off('end', onClosed).off('close', onClosed)
    return true
  }
  const give = (ready: Socket): void => {
    if (!finish()) return
    ready.allowHalfOpen = true
    options.onReady(ready)
  }
  const destroy = (): void => {
    // Never the socket below a stream: that would take it away from under OpenSSL, which may be at work up the stack.
    const top = stream ?? socket
    // An error of what is destroyed has no other reader.
    top.on('error', () => undefined)
    top.destroy()
  }
  const fail = (report: (why: string) => void, why: string): void => {
    if (!finish()) return
    destroy()
    report(why)
  }
  const onError = (error: Error): void => {
    if (stream === null || isBrokenConnection(error)) fail(options.onBroken, `TLS: ${codeOf(error)}`)
    else fail(options.onUntrusted, `cannot be reached over TLS: ${codeOf(error)}`)
  }
  const onClosed = (): void => fail(options.onBroken, 'it closed the connection when asked for TLS')
  const onAnswer = (chunk: Buffer): void => {
    // One byte is all that a server may say before the handshake: more would be taken for part of it.
    const answer = chunk.length === 1 ? chunk[0] : null
    if (answer === ENCRYPTION_ANSWERS.tlsAccepted) return shakeHands()
    if (answer !== ENCRYPTION_ANSWERS.refused) return fail(options.onBroken, 'its answer to SSLRequest is none')
    if (tls.sslmode === 'prefer') {
      socket.off('error', onError)
      return give(socket)
    }
    fail(options.onUntrusted, `does not offer TLS, and server_sslmode is ${tls.sslmode}`)
  }
  const shakeHands = (): void => {
    socket.off('data', onAnswer).off('end', onClosed)
    socket.pause()
    // As for clients: half of a handshake is nothing.
    socket.allowHalfOpen = false
    stream = connect({
      socket,
      secureContext: tls.context(),
      ALPNProtocols: [ALPN_PROTOCOL],
      rejectUnauthorized: tls.sslmode === 'verify-ca' || tls.sslmode === 'verify-full',
      host: options.host,
      ...(isIP(options.host) === 0 ? { servername: options.host } : {}),
      ...(tls.sslmode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    })
    const secure = stream
    stream.once('secureConnect', () => {
      secure.off('error', onError)
      give(secure)
    })
    stream.on('error', onError)
  }
  const cancelTimer = options.clock.schedule(options.timeoutMs, () => fail(options.onBroken, 'TLS: ETIMEDOUT'))
  socket.on('data', onAnswer).on('end', onClosed).on('close', onClosed).on('error', onError)
  socket.write(buildSslRequest())
  return () => {
    if (finish()) destroy()
  }
}

const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])

function isBrokenConnection(error: Error): boolean {
  return BROKEN.has(codeOf(error))
}

/** An errno, or OpenSSL's word for what it did not like. */
function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? 'failed'
}
