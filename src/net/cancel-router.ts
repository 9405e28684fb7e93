/**
 * Hands a CancelRequest on, untouched: to the node of the session that owns the key, or, when no process knows the key, to
 * every node that may have its session (a wrong key is ignored by PostgreSQL). Effect layer. The client gets no answer,
 * as from PostgreSQL; its connection is closed when the servers have closed theirs.
 *
 * @see https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
import type { Socket } from 'node:net'
import { connectNode } from './node-connector.ts'
import type { SessionEnvironment } from './session-environment.ts'

/** From the request to the end of the last server's connection, whatever happens. */
export const CANCEL_TIMEOUT_MS = 10_000

type CancelEnvironment = Pick<
  SessionEnvironment,
  | 'request'
  | 'settings'
  | 'addressOf'
  | 'findCancelNode'
  | 'cancelTargets'
  | 'registry'
  | 'clock'
  | 'lookup'
  | 'termination'
>

/**
 * `packet` is the whole CancelRequest; it is copied. `onDone` is called once, when all servers are done with it or the
 * time is over; at once when there is no server to tell.
 */
export function forwardCancel(key: string, packet: Buffer, environment: CancelEnvironment, onDone: () => void): void {
  const bytes = Buffer.from(packet)
  const { registry, findCancelNode } = environment
  const owner = registry.nodeOfCancelKey(key)
  if (owner !== null || findCancelNode === undefined) return sendToNodes(owner, bytes, environment, onDone)
  void findCancelNode(key).then((found) => sendToNodes(found, bytes, environment, onDone))
}

function sendToNodes(owner: string | null, bytes: Buffer, environment: CancelEnvironment, onDone: () => void): void {
  const nodes = owner === null ? environment.cancelTargets(environment.request) : [owner]
  const pending = new Set<() => void>()
  let isFinished = false
  const finish = (): void => {
    if (isFinished) return
    isFinished = true
    cancelTimer()
    for (const abort of pending) abort()
    onDone()
  }
  const cancelTimer = environment.clock.schedule(CANCEL_TIMEOUT_MS, finish)
  for (const node of nodes) {
    const address = environment.addressOf(node)
    if (address === null) continue
    // Its client may be gone long before the server is done: a flood of these must not eat up the descriptors unseen.
    const giveBack = environment.registry.borrowDescriptor()
    let close = (): void => undefined
    const abort = (): void => {
      close()
      giveBack()
    }
    const done = (): void => {
      giveBack()
      pending.delete(abort)
      if (pending.size === 0) finish()
    }
    pending.add(abort)
    close = connectNode({
      address,
      tls: environment.termination?.serverTls ?? null,
      timeoutMs: environment.settings().connectTimeoutMs,
      keepAliveMs: 0,
      clock: environment.clock,
      lookup: environment.lookup,
      onConnected: (socket) => {
        close = sendAndWait(socket, bytes, done)
      },
      onDialed: () => undefined,
      onFailed: done,
      onUntrusted: done,
    })
  }
  if (pending.size === 0) finish()
}

function sendAndWait(socket: Socket, bytes: Buffer, onClosed: () => void): () => void {
  socket.on('error', () => undefined)
  socket.on('close', onClosed)
  socket.on('end', () => socket.end())
  socket.resume()
  socket.write(bytes)
  return () => socket.destroy()
}
