/**
 * The least that a relay in Node can be: reads into one buffer, writes what came as a string, and nothing else. No
 * session, no look at what passes, no backpressure, no error anybody would understand: it cannot be used, it only shows how
 * much of the cost is Node's own sockets. A program: `floor-relay.ts SERVER_PORT`, forked; tells its port and ends with
 * its parent.
 */
import { createServer, Socket, type SocketConstructorOpts } from 'node:net'
import process from 'node:process'

const BUFFER_BYTES = 64 * 1024
/** Up to here Node writes a string from its stack. */
const STRING_BYTES_MAX = 16 * 1024

const serverPort = Number(process.argv[2])
const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)

/** A socket that hands what it reads to `sink()`. */
function open(sink: () => Socket, options: object): Socket {
  const callback = (count: number, bytes: Uint8Array): boolean => {
    const read = bytes as Buffer
    if (count <= STRING_BYTES_MAX) sink().write(read.toString('latin1', 0, count), 'latin1')
    else sink().write(Buffer.from(read.subarray(0, count)))
    return true
  }
  const socket = new Socket({ ...options, allowHalfOpen: true, onread: { buffer, callback } } as SocketConstructorOpts)
  socket.on('end', () => sink().end()).on('error', () => sink().destroy())
  return socket
}

const server = createServer({ pauseOnConnect: true, noDelay: true, allowHalfOpen: true }, (accepted) => {
  const holder = accepted as unknown as { _handle: object | null }
  const handle = holder._handle
  holder._handle = null
  accepted.destroy()
  const client: Socket = open(() => backend, { handle, manualStart: true })
  const backend: Socket = open(() => client, { noDelay: true })
  backend.connect({ host: '127.0.0.1', port: serverPort }, () => client.resume())
})
process.once('disconnect', () => process.exit())
server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
})
