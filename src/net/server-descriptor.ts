/**
 * The file descriptor of a listening server: what another process has to inherit to listen there as well. Effect layer.
 * Node has no public way to it, so it is read where Node keeps it, here and nowhere else.
 */
import type { Server } from 'node:net'
import process from 'node:process'

/** Throws when the server does not listen, or when this version of Node keeps it elsewhere. It stays the server's. */
export function descriptorOf(server: Server): number {
  const { _handle: handle } = server as unknown as { readonly _handle?: { readonly fd?: unknown } | null }
  const fd = handle?.fd
  if (typeof fd === 'number' && fd >= 0) return fd
  throw new Error(
    server.listening
      ? `Node.js ${process.version} does not tell the descriptor of a listening socket`
      : 'the server does not listen',
  )
}
