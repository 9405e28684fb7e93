/**
 * Connects to a node: resolves its name anew, tries all its addresses, gives up after a time limit. Effect layer. It
 * knows nothing of PostgreSQL and nothing of sessions.
 */
import { type LookupFunction, Socket } from 'node:net'
import type { Clock } from '../ports.ts'
import type { NodeAddress } from '../topology/observation.ts'
import { LendingSocket } from './lending-socket.ts'

export interface DialOptions {
  readonly address: NodeAddress
  /** For all addresses of the name together. */
  readonly timeoutMs: number
  /** Idle time before TCP keepalive probes; 0 for none. */
  readonly keepAliveMs: number
  readonly clock: Clock
  readonly lookup: LookupFunction
  /** For a relay that reads it as it is: the socket is to be one that lends. TLS takes its handle instead. */
  readonly lends?: boolean
  /** Called once, unless the dial was given up by `abort`. The socket belongs to the receiver from then on. */
  readonly onConnected: (socket: Socket) => void
  /** Called once instead. `code`: an errno name such as ECONNREFUSED, or ETIMEDOUT for our own limit. */
  readonly onFailed: (code: string) => void
}

/** Starts to connect. The returned function gives up: nothing is called after it. Idempotent. */
export function dialBackend(options: DialOptions): () => void {
  const { address } = options
  const target = address.host.startsWith('/')
    ? { path: `${address.host}/.s.PGSQL.${address.port}` }
    : { host: address.host, port: address.port, lookup: options.lookup, autoSelectFamily: true }
  const socketOptions = {
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: options.keepAliveMs > 0,
    keepAliveInitialDelay: options.keepAliveMs,
  }
  const socket = options.lends === true ? new LendingSocket(socketOptions) : new Socket(socketOptions)
  socket.connect(target)
  let isOver = false
  const finish = (): boolean => {
    if (isOver) return false
    isOver = true
    cancelTimer()
    socket.removeListener('connect', onConnect)
    return true
  }
  const fail = (code: string): void => {
    if (!finish()) return
    socket.destroy()
    options.onFailed(code)
  }
  const onConnect = (): void => {
    if (!finish()) return
    socket.removeListener('error', onError)
    options.onConnected(socket)
  }
  // Stays attached when the dial is over without a connection: a late error of a destroyed socket has no other reader.
  const onError = (error: NodeJS.ErrnoException): void => fail(errorCode(error))
  const cancelTimer = options.clock.schedule(options.timeoutMs, () => fail('ETIMEDOUT'))
  socket.on('connect', onConnect)
  socket.on('error', onError)
  return () => {
    if (finish()) socket.destroy()
  }
}

/** The errno name; of several addresses that failed, the first one's. */
export function errorCode(error: NodeJS.ErrnoException): string {
  if (error.code !== undefined && error.code !== '') return error.code
  if (error instanceof AggregateError) {
    const [first] = error.errors as NodeJS.ErrnoException[]
    if (first?.code !== undefined) return first.code
  }
  return 'EUNKNOWN'
}
