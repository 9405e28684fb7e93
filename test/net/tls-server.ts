/** A fake PostgreSQL server that is asked for TLS first: answers as told, and gives the stream inside. Test support. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { waitFor } from '../support/condition.ts'
import { FakeConnection } from './fake-server.ts'

export interface TlsServer {
  readonly port: number
  /** What was said before TLS, in hex: one text for each connection, or for each piece where nothing is answered. */
  readonly asked: readonly string[]
  /** The stream after the answer, of that number, counted from 1. */
  readonly connection: (number?: number) => Promise<FakeConnection>
  readonly connectionCount: () => number
  /** Written to all connections. */
  readonly say: (bytes: Buffer) => void
  readonly close: () => Promise<void>
}

/** `answer`: what is written to an SSLRequest, `null` for nothing. After `S` alone comes the handshake. */
export async function startTlsServer(answer: Buffer | null, options: TlsOptions = {}): Promise<TlsServer> {
  const sockets: Socket[] = []
  const asked: string[] = []
  const connections: FakeConnection[] = []
  const tls = createTlsServer(options, (stream) => connections.push(new FakeConnection(stream)))
  tls.on('tlsClientError', () => undefined)
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    if (answer === null) {
      socket.on('data', (chunk: Buffer) => asked.push(chunk.toString('hex')))
      return
    }
    socket.once('data', (chunk: Buffer) => {
      asked.push(chunk.toString('hex'))
      socket.write(answer)
      if (answer.toString('latin1') === 'S') {
        socket.pause()
        tls.emit('connection', socket)
      } else {
        connections.push(new FakeConnection(socket))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on TCP')
  return {
    port: address.port,
    asked,
    connection: (number = 1) =>
      waitFor(`TLS connection ${number}`, () => connections[number - 1], { intervalMs: 2 }) as Promise<FakeConnection>,
    connectionCount: () => sockets.length,
    say: (bytes) => {
      for (const socket of sockets) socket.write(bytes)
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
