/**
 * What the proxy of the soak takes for a node: a real PostgreSQL server, with the idle sessions answered in front of it.
 * 10,000 backends do not fit into a test machine; 10,000 sockets do. Everybody but IDLE_USER, the proxy's probes too, is
 * joined with the server byte by byte. Without a server (`behind: null`) the front answers everything itself, the probes
 * as the role it was given. Test support.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { CAPABILITIES, oneText, PRIMARY_ANSWER } from '../probe/fake-postgres.ts'
import { frameNaively, int32, message } from '../protocol/wire-bytes.ts'
import { MONITOR_LOGIN } from '../support/roles.ts'
import { BULK_SQL, CANCELED, IDLE_USER, loggedIn, readFirstPacket, SLEEP_SQL } from './wire.ts'

/** What a front without a server says of itself. */
export interface FrontRole {
  readonly kind: 'primary' | 'standby'
  readonly timelineId: number
}

export interface FrontOptions {
  readonly port: number
  /** Port of the real server on 127.0.0.1. */
  readonly behind: number | null
  readonly role: FrontRole
}

const ONE = oneText('1')
const BULK = Buffer.concat([
  ...Array.from({ length: 4000 }, () =>
    message('D', Buffer.concat([Buffer.from([0, 1]), int32(1000), Buffer.alloc(1000, 'x')])),
  ),
  message('C', 'SELECT 4000\0'),
  message('Z', 'I'),
])

export class Front {
  role: FrontRole
  readonly #port: number
  readonly #behind: number | null
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Sleeping sessions of our own, by key. */
  readonly #sleepers = new Map<string, () => void>()

  constructor({ port, behind, role }: FrontOptions) {
    this.#port = port
    this.#behind = behind
    this.role = role
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#take(socket))
  }

  get openCount(): number {
    return this.#sockets.size
  }

  async up(): Promise<void> {
    this.#server.listen({ port: this.#port, host: '127.0.0.1', backlog: 4096 })
    await once(this.#server, 'listening')
  }

  /** As a host whose power was cut, and whose address answers for it with RST. */
  async down(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.resetAndDestroy()
    await closed
  }

  #take(socket: Socket): void {
    this.#add(socket)
    socket.once('data', (first: Buffer) => this.#meet(socket, first))
    socket.on('end', endBack)
  }

  #add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #meet(socket: Socket, first: Buffer): void {
    const packet = readFirstPacket(first)
    switch (packet.kind) {
      case 'ssl':
        socket.write('N')
        socket.once('data', (second: Buffer) => this.#meet(socket, second))
        return
      case 'cancel': {
        const wake = this.#sleepers.get(packet.key)
        if (wake === undefined && this.#behind !== null) return this.#join(socket, first, this.#behind)
        wake?.()
        socket.end()
        return
      }
      case 'startup':
        if (packet.user !== IDLE_USER && this.#behind !== null) return this.#join(socket, first, this.#behind)
        return packet.user === MONITOR_LOGIN.user ? this.#serve(socket, (sql) => this.#probe(sql)) : this.#serve(socket)
    }
  }

  /** The front is not there any more: bytes, ends and breaks go through. */
  #join(socket: Socket, first: Buffer, port: number): void {
    const server = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true })
    this.#add(server)
    server.write(first)
    const brokenBy = (error: NodeJS.ErrnoException | null): void => {
      if (error === null || error === undefined) return
      socket.resetAndDestroy()
      server.resetAndDestroy()
    }
    socket.off('end', endBack)
    pipeline(socket, server, brokenBy)
    pipeline(server, socket, brokenBy)
  }

  /** A session of our own. */
  #serve(socket: Socket, answer: (sql: string) => Buffer = () => ONE): void {
    const key = Buffer.concat([int32(randomInt(1, 2 ** 22)), int32(randomInt(2 ** 31))])
    const keyText = key.toString('hex')
    let rest: Buffer = Buffer.alloc(0)
    socket.write(loggedIn(key))
    socket.on('close', () => this.#sleepers.delete(keyText))
    socket.on('data', (piece: Buffer) => {
      const framed = frameNaively(rest.length === 0 ? piece : Buffer.concat([rest, piece]))
      rest = Buffer.from(framed.rest)
      for (const { type, payload } of framed.messages) {
        if (type === 'X') socket.end()
        if (type !== 'Q' || socket.writableEnded) continue
        const sql = payload.toString('utf8', 0, payload.length - 1)
        if (sql === BULK_SQL) socket.write(BULK)
        else if (sql === SLEEP_SQL) this.#sleep(socket, keyText)
        else socket.write(answer(sql))
      }
    })
  }

  /** Until somebody cancels it. */
  #sleep(socket: Socket, keyText: string): void {
    this.#sleepers.set(keyText, () => {
      this.#sleepers.delete(keyText)
      socket.write(CANCELED)
    })
  }

  #probe(sql: string): Buffer {
    if (sql.includes('serverVersion')) return oneText(JSON.stringify(CAPABILITIES))
    const { kind, timelineId } = this.role
    const timeline = { checkpointTimelineId: timelineId, minRecoveryTimelineId: timelineId }
    const file = timelineId.toString(16).toUpperCase().padStart(8, '0')
    const primary = { ...PRIMARY_ANSWER, ...timeline, walFile: `${file}0000000000000005` }
    if (kind === 'primary') return oneText(JSON.stringify(primary))
    const standby = {
      inRecovery: true,
      walFile: null,
      writeLsn: null,
      receiveLsn: PRIMARY_ANSWER.writeLsn,
      replayLsn: PRIMARY_ANSWER.writeLsn,
    }
    return oneText(JSON.stringify({ ...primary, ...standby }))
  }
}

/** Who has said all gets no more answers from us. */
function endBack(this: Socket): void {
  this.end()
}
