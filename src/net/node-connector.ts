/**
 * A connection to a node that is ready for a startup packet: dialed, and within TLS where the listener wants that. Effect
 * layer.
 */
import type { Socket } from 'node:net'
import { type DialOptions, dialBackend } from './backend-dialer.ts'
import { type ServerTls, startServerTls } from './server-tls.ts'

export interface ConnectOptions extends Omit<DialOptions, 'onConnected' | 'onFailed' | 'lends'> {
  /** `null`: in plain. Unix sockets are always plain, as in libpq. */
  readonly tls: ServerTls | null
  /** The dial has come to its end: `null` when it is connected, else the errno name. TLS comes after. */
  readonly onDialed: (errno: string | null) => void
  /** Called once, unless given up. The socket belongs to the receiver from then on. */
  readonly onConnected: (socket: Socket) => void
  /** Called once instead. `why` is for the log; `errno` is that of the dial, `null` when what failed came after it. */
  readonly onFailed: (why: string, errno: string | null) => void
  /** Called once instead: the server does TLS otherwise than wanted. Completes "NODE …". */
  readonly onUntrusted: (why: string) => void
}

/** Starts. `timeoutMs` is for the dial, and once more for TLS. The returned function gives up. Idempotent. */
export function connectNode(options: ConnectOptions): () => void {
  const { address, tls } = options
  const isPlain = tls === null || address.host.startsWith('/')
  let giveUp = dialBackend({
    ...options,
    lends: isPlain,
    onConnected: (socket) => {
      options.onDialed(null)
      if (isPlain) return options.onConnected(socket)
      giveUp = startServerTls({
        socket,
        tls,
        host: address.host,
        timeoutMs: options.timeoutMs,
        clock: options.clock,
        onReady: options.onConnected,
        onBroken: (why) => options.onFailed(why, null),
        onUntrusted: options.onUntrusted,
      })
    },
    onFailed: (code) => {
      options.onDialed(code)
      options.onFailed(`dial failed: ${code}`, code)
    },
  })
  return () => giveUp()
}
