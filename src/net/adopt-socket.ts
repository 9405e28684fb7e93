/**
 * Makes a lending socket of one that was accepted, for which Node has no option: a second socket takes over the handle of
 * the first. Effect layer. On a version of Node that keeps the handle elsewhere sessions work as before, and cost more.
 */
import type { Socket } from 'node:net'
import { LendingSocket } from './lending-socket.ts'
import { handleOf, letGoOfHandle } from './socket-handle.ts'

/**
 * The socket to use from now on: one that lends, paused if `accepted` was paused; `accepted` itself when that cannot be.
 * Nothing may have been read from it.
 */
export function adoptSocket(accepted: Socket): Socket {
  const handle = handleOf(accepted)
  if (handle === null || typeof handle.useUserBuffer !== 'function') return accepted
  if (accepted.readableLength > 0 || accepted.destroyed) return accepted
  letGoOfHandle(accepted)
  const socket = new LendingSocket({ handle, allowHalfOpen: accepted.allowHalfOpen, manualStart: true })
  // Without a handle this closes nothing; whoever counts sockets by their `close` is told.
  accepted.destroy()
  return socket
}
