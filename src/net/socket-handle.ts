/**
 * The handle of a socket, which is the connection itself. Effect layer. Where Node keeps it is not documented, so it is
 * touched here and nowhere else.
 */
import type { Socket } from 'node:net'

export interface SocketHandle {
  /** What `onread` needs. */
  readonly useUserBuffer?: unknown
  /** Closes the connection, whoever had the handle meanwhile. Idempotent. */
  close(): void
}

interface Holder {
  _handle?: SocketHandle | null
}

/** `null`: the socket has none any more, or this version of Node keeps it elsewhere. */
export function handleOf(socket: Socket): SocketHandle | null {
  return (socket as unknown as Holder)._handle ?? null
}

/** The socket closes nothing from now on. */
export function letGoOfHandle(socket: Socket): void {
  const holder = socket as unknown as Holder
  holder._handle = null
}
