/**
 * The relay that the guard compares with: two sockets of Node and nothing else. IT NEVER CHANGES: every baseline is a
 * ratio to it. A program: `reference-relay.ts SERVER_PORT`, forked; tells its port and ends with its parent.
 */
import { connect, createServer, type Socket } from 'node:net'
import process from 'node:process'

const serverPort = Number(process.argv[2])

function relay(from: Socket, to: Socket): void {
  from.on('data', (chunk: Buffer) => {
    if (!to.write(chunk)) from.pause()
  })
  to.on('drain', () => from.resume())
  from.on('end', () => to.end())
  from.on('error', () => to.destroy())
  from.on('close', () => to.destroy())
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const backend = connect({ port: serverPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  relay(client, backend)
  relay(backend, client)
})
process.once('disconnect', () => process.exit())
server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
})
