/**
 * Makes a lending socket of one that was accepted, for which Node has no option: a second socket takes over the handle of
 * the first. Effect layer. Where Node keeps that handle is not documented, so it is touched here and nowhere else; on a
 * version that keeps it elsewhere sessions work as before, and cost more.
 */
import type { Socket } from 'node:net'
import { LendingSocket } from './lending-socket.ts'

interface Handle {
  /** What `onread` needs. */
  readonly useUserBuffer?: unknown
}

/**
 * The socket to use from now on: one that lends, paused if `accepted` was paused; `accepted` itself when that cannot be.
 * Nothing may have been read from it.
 */
export function adoptSocket(accepted: Socket): Socket {
  const holder = accepted as unknown as { _handle?: Handle | null }
  const handle = holder._handle
  if (handle === undefined || handle === null || typeof handle.useUserBuffer !== 'function') return accepted
  if (accepted.readableLength > 0 || accepted.destroyed) return accepted
  holder._handle = null
  const socket = new LendingSocket({ handle, allowHalfOpen: accepted.allowHalfOpen, manualStart: true })
  // Without a handle this closes nothing; whoever counts sockets by their `close` is told.
  accepted.destroy()
  return socket
}
