/** An accepted socket, and what another version of Node might make of it. Test support. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** As if this version of Node had no way to read into a buffer of ours. */
export function hideUserBuffer(socket: Socket): void {
  const { _handle: handle } = socket as unknown as { readonly _handle?: object | null }
  if (handle) Object.defineProperty(handle, 'useUserBuffer', { value: undefined })
}

/** Both ends of a connection over loopback; `accepted` is paused, with nothing read from it. `path`: a Unix socket. */
export async function connectPair(
  path?: string,
): Promise<{ readonly accepted: Socket; readonly dialed: Socket; readonly close: () => Promise<void> }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
  server.listen(path === undefined ? { host: '127.0.0.1', port: 0 } : { path })
  await once(server, 'listening')
  const address = server.address()
  const isAccepted = once(server, 'connection')
  const dialed =
    address !== null && typeof address === 'object' ? connect(address.port, '127.0.0.1') : connect(String(address))
  const [accepted] = (await isAccepted) as [Socket]
  const close = async (): Promise<void> => {
    dialed.destroy()
    accepted.destroy()
    server.close()
    // Only when the last accepted socket is gone, by the server's own count.
    await once(server, 'close')
  }
  return { accepted, dialed, close }
}
