/**
 * Both ends of the sessions that measure a relay, in a process of its own: a server that answers at once, and clients
 * that log in through the relay and either exchange small messages or move bulk. Driven over IPC; ends with its parent.
 */
import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import process from 'node:process'
import { adoptSocket } from '../../src/net/adopt-socket.ts'
import { LendingSocket } from '../../src/net/lending-socket.ts'
import { firstPacket, int32, message, PROTOCOL_3_0, parameters } from '../protocol/wire-bytes.ts'

/** What the parent orders; each is answered by a RelayEndsAnswer. */
export type RelayEndsOrder =
  | { readonly kind: 'open'; readonly port: number; readonly count: number }
  /** Every client sends its next request when it has the answer to the one before. */
  | { readonly kind: 'exchange'; readonly seconds: number }
  /** One client; `messageBytes`: how long the messages in it are, which a relay that watches for their ends has to find. */
  | { readonly kind: 'bulk'; readonly direction: 'down' | 'up'; readonly bytes: number; readonly messageBytes: number }
  /** New sessions one after the other on `parallel` connections: login, Terminate; or such as are refused. */
  | {
      readonly kind: 'sessions' | 'refused'
      readonly port: number
      readonly seconds: number
      readonly parallel: number
    }
  /** Every client gets so many bytes, `parallel` of them at a time. */
  | { readonly kind: 'bulk-each'; readonly bytes: number; readonly parallel: number }
  | { readonly kind: 'close' }

export interface RelayEndsAnswer {
  /** Exchanges, bytes or sessions that were done, and how long it took. */
  readonly count: number
  readonly ms: number
}

const STARTUP = firstPacket(PROTOCOL_3_0, parameters(['user', 'bench'], ['database', 'bench']))
const TERMINATE = message('X')
const READY = message('Z', 'I')
const LOGIN = Buffer.concat([
  message('R', int32(0)),
  message('S', 'in_hot_standby\0off\0'),
  message('K', Buffer.concat([int32(4711), int32(42)])),
  READY,
])
/** As pgbench -S -M prepared: Bind, Describe, Execute, Sync, and what PostgreSQL answers. */
const REQUEST = Buffer.concat([
  message('B', '\0P0_1\0\0\0\0\x01\0\0\0\x0531337\0\0'),
  message('D', 'P\0'),
  message('E', '\0\0\0\0\0'),
  message('S'),
])
const REPLY = Buffer.concat([
  message('2'),
  message('T', '\0\x01abalance\0\0\0\x40\x03\0\x03\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0'),
  message('D', '\0\x01\0\0\0\x0512345'),
  message('C', 'SELECT 1\0'),
  READY,
])
/** Orders of ours to our server. */
const ORDER_BYTES = 18
const BLOCK_BYTES = 256 * 1024
const READ_BYTES = 1024 * 1024

const sink = Buffer.alloc(READ_BYTES)

/** A client that throws away what it reads and tells how much that was. */
class Client {
  readonly socket: Socket
  onBytes: (count: number) => void = () => undefined

  constructor() {
    this.socket = new Socket({
      noDelay: true,
      onread: {
        buffer: sink,
        callback: (count: number) => {
          this.onBytes(count)
          return true
        },
      },
    })
    this.socket.on('error', () => undefined)
  }

  connect(port: number): void {
    this.socket.connect(port, '127.0.0.1')
  }

  /** Resolves when so many bytes have come. */
  got(bytes: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = bytes
      this.socket.once('close', reject)
      this.onBytes = (count) => {
        left -= count
        if (left > 0) return
        this.socket.off('close', reject)
        resolve()
      }
    })
  }
}

function blockOf(messageBytes: number): Buffer {
  const row = message('d', Buffer.alloc(messageBytes - 5, 'x'))
  return Buffer.concat(Array.from({ length: Math.max(1, Math.floor(BLOCK_BYTES / messageBytes)) }, () => row))
}

function send(socket: Socket, block: Buffer, blocks: number): void {
  let left = blocks
  const push = (): void => {
    while (left > 0) {
      left -= 1
      if (!socket.write(block) && socket.writableLength > 0) {
        socket.once('drain', push)
        return
      }
    }
  }
  push()
}

function orderOf(direction: 'down' | 'up', blocks: number, messageBytes: number): Buffer {
  return Buffer.concat([message('Q', direction === 'down' ? 'down\0' : 'up__\0'), int32(blocks), int32(messageBytes)])
}

/** Reads without allocating, as its clients do: or it would be the server that bulk has to wait for. */
function serve(accepted: Socket): void {
  const socket = adoptSocket(accepted)
  if (!(socket instanceof LendingSocket)) throw new Error('this version of Node lends no buffers')
  let isLoggedIn = false
  let awaitedBytes = 0
  socket.on('error', () => undefined)
  socket.lend({
    borrow: (chunk, count) => {
      if (!isLoggedIn) {
        isLoggedIn = true
        socket.write(LOGIN)
      } else if (awaitedBytes > 0) {
        awaitedBytes -= count
        if (awaitedBytes <= 0) socket.write(READY)
      } else if (count === ORDER_BYTES && chunk.toString('latin1', 5, 9) === 'down') {
        send(socket, blockOf(chunk.readInt32BE(14)), chunk.readInt32BE(10))
      } else if (count === ORDER_BYTES && chunk.toString('latin1', 5, 9) === 'up__') {
        awaitedBytes = chunk.readInt32BE(10) * blockOf(chunk.readInt32BE(14)).length
        socket.write(READY)
      } else if (count === TERMINATE.length) socket.end()
      else socket.write(REPLY)
      return false
    },
  })
  socket.resume()
}

let clients: Client[] = []

async function logIn(port: number): Promise<Client> {
  const client = new Client()
  client.connect(port)
  const answer = client.got(LOGIN.length)
  client.socket.write(STARTUP)
  await answer
  return client
}

async function exchange(seconds: number): Promise<RelayEndsAnswer> {
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1000
  let count = 0
  await Promise.all(
    clients.map(
      ({ socket }, index) =>
        new Promise<void>((resolve) => {
          const client = clients[index] as Client
          let left = REPLY.length
          client.onBytes = (bytes) => {
            left -= bytes
            if (left > 0) return
            left = REPLY.length
            count += 1
            if (performance.now() >= endsAt) return resolve()
            socket.write(REQUEST)
          }
          socket.write(REQUEST)
        }),
    ),
  )
  return { count, ms: performance.now() - startedAt }
}

async function bulkEach(order: Extract<RelayEndsOrder, { kind: 'bulk-each' }>): Promise<RelayEndsAnswer> {
  const startedAt = performance.now()
  const messageBytes = 8192
  const blockBytes = blockOf(messageBytes).length
  const blocks = Math.ceil(order.bytes / blockBytes)
  const waiting = [...clients]
  const work = async (): Promise<void> => {
    for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) {
      const all = client.got(blocks * blockBytes)
      client.socket.write(orderOf('down', blocks, messageBytes))
      await all
    }
  }
  await Promise.all(Array.from({ length: order.parallel }, work))
  return { count: clients.length * blocks * blockBytes, ms: performance.now() - startedAt }
}

async function bulk(order: Extract<RelayEndsOrder, { kind: 'bulk' }>): Promise<RelayEndsAnswer> {
  const client = clients[0] as Client
  const block = blockOf(order.messageBytes)
  const blocks = Math.ceil(order.bytes / block.length)
  const request = orderOf(order.direction, blocks, order.messageBytes)
  const startedAt = performance.now()
  if (order.direction === 'down') {
    const all = client.got(blocks * block.length)
    client.socket.write(request)
    await all
  } else {
    const mayBegin = client.got(READY.length)
    client.socket.write(request)
    await mayBegin
    const isDone = client.got(READY.length)
    send(client.socket, block, blocks)
    await isDone
  }
  return { count: blocks * block.length, ms: performance.now() - startedAt }
}

async function served(port: number): Promise<void> {
  const { socket } = await logIn(port)
  const isClosed = once(socket, 'close')
  socket.write(TERMINATE)
  socket.end()
  socket.resume()
  await isClosed
}

async function refused(port: number): Promise<void> {
  const client = new Client()
  client.connect(port)
  const isClosed = once(client.socket, 'close')
  client.onBytes = () => client.socket.end()
  client.socket.write(STARTUP)
  await isClosed
}

async function sessions(order: Extract<RelayEndsOrder, { parallel: number; port: number }>): Promise<RelayEndsAnswer> {
  const startedAt = performance.now()
  const endsAt = startedAt + order.seconds * 1000
  let count = 0
  const repeat = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      await (order.kind === 'sessions' ? served : refused)(order.port)
      count += 1
    }
  }
  await Promise.all(Array.from({ length: order.parallel }, repeat))
  return { count, ms: performance.now() - startedAt }
}

async function obey(order: RelayEndsOrder): Promise<RelayEndsAnswer> {
  switch (order.kind) {
    case 'open':
      while (clients.length < order.count) {
        const parallel = Math.min(100, order.count - clients.length)
        clients.push(...(await Promise.all(Array.from({ length: parallel }, () => logIn(order.port)))))
      }
      return { count: clients.length, ms: 0 }
    case 'exchange':
      return await exchange(order.seconds)
    case 'bulk':
      return await bulk(order)
    case 'sessions':
    case 'refused':
      return await sessions(order)
    case 'bulk-each':
      return await bulkEach(order)
    case 'close':
      for (const { socket } of clients) socket.destroy()
      clients = []
      return { count: 0, ms: 0 }
    default:
      return order satisfies never
  }
}

if (process.send !== undefined) {
  const server = createServer({ noDelay: true, pauseOnConnect: true }, serve)
  server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 })
  await once(server, 'listening')
  process.once('disconnect', () => process.exit())
  process.on('message', (order: RelayEndsOrder) => {
    void obey(order).then((answer) => process.send?.(answer))
  })
  const address = server.address()
  process.send({ port: typeof address === 'object' ? address?.port : 0 })
}
