/**
 * Clients that do not behave: they say nothing, half of it or nonsense, hang up at the worst moment, never read, or close
 * one half. Test support. All that is asked of the proxy is that each is gone in the end, and leaves nothing behind.
 */
import { connect, type Socket } from 'node:net'
import type { ClientTarget } from './soak-client.ts'
import { BULK_SQL, cancelRequest, GOODBYE, QUICK_SQL, query, startup } from './wire.ts'

export interface RudeOrder {
  /** Their sessions, as far as they get to have one. */
  readonly target: ClientTarget
  readonly perSecond: number
}

export interface RudeReport {
  readonly started: number
  readonly underWay: number
  /** Those that the proxy had not let go after `PATIENCE_MS`. */
  readonly stuck: number
  readonly byKind: Readonly<Record<string, number>>
}

/** Above `limits.startup_timeout` of the soak, and its lingering. */
const PATIENCE_MS = 30_000
const TICK_MS = 20

type Deed = (socket: Socket, hello: Buffer) => void

/** What each kind does once it is connected. All but `silent` end by what they do. */
const DEEDS: Readonly<Record<string, Deed>> = {
  'reset at once': (socket) => socket.resetAndDestroy(),
  'closed at once': (socket) => socket.end(),
  // Until limits.startup_timeout.
  silent: () => {},
  'half a startup packet': (socket, hello) => socket.end(hello.subarray(0, 11)),
  nonsense: (socket) => socket.write(Buffer.from('GET / HTTP/1.1\r\nHost: postgres\r\n\r\n')),
  'an old protocol': (socket) => socket.end(Buffer.from([0, 0, 0, 8, 0, 2, 0, 0])),
  'a login that is reset': (socket, hello) => socket.write(hello, () => socket.resetAndDestroy()),
  'a login that nobody waits for': (socket, hello) => socket.end(hello),
  'a reset after the login': (socket, hello) => {
    socket.write(hello)
    socket.once('data', () => socket.resetAndDestroy())
  },
  'a session that closes one half': (socket, hello) => {
    socket.write(hello)
    socket.once('data', () => socket.end(query(QUICK_SQL)))
  },
  'an answer that nobody reads': (socket, hello) => {
    socket.write(hello)
    socket.once('data', () => {
      socket.pause()
      socket.write(query(BULK_SQL))
      setTimeout(() => socket.resetAndDestroy(), 300)
    })
  },
  'questions and a goodbye in one go': (socket, hello) => {
    socket.write(hello)
    socket.once('data', () => socket.write(Buffer.concat([query(QUICK_SQL), query(QUICK_SQL), GOODBYE])))
  },
  'a key that nobody has': (socket) => socket.end(cancelRequest(Buffer.from('00000001deadbeef', 'hex'))),
}

const KINDS = Object.entries(DEEDS)

export class RudeClients {
  readonly #order: RudeOrder
  readonly #sockets = new Set<Socket>()
  readonly #byKind: Record<string, number> = {}
  readonly #tick: NodeJS.Timeout
  readonly #hello: Buffer
  #started = 0
  #stuck = 0
  #due = 0
  #lastTick = performance.now()
  #onGone: (() => void) | null = null

  constructor(order: RudeOrder) {
    this.#order = order
    this.#hello = startup(order.target)
    this.#tick = setInterval(() => this.#work(), TICK_MS)
  }

  report(): RudeReport {
    return { started: this.#started, underWay: this.#sockets.size, stuck: this.#stuck, byKind: this.#byKind }
  }

  /** Starts no more, and waits until all are gone. */
  async close(): Promise<RudeReport> {
    clearInterval(this.#tick)
    if (this.#sockets.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onGone = resolve
      })
    }
    return this.report()
  }

  #work(): void {
    const now = performance.now()
    this.#due += (this.#order.perSecond * Math.min(1000, now - this.#lastTick)) / 1000
    this.#lastTick = now
    for (; this.#due >= 1; this.#due -= 1) this.#start()
  }

  #start(): void {
    const [kind, deed] = KINDS[this.#started % KINDS.length] ?? []
    if (kind === undefined || deed === undefined) return
    this.#started += 1
    this.#byKind[kind] = (this.#byKind[kind] ?? 0) + 1
    const socket = connect({ host: '127.0.0.1', port: this.#order.target.port, allowHalfOpen: true })
    this.#sockets.add(socket)
    const patience = setTimeout(() => {
      this.#stuck += 1
      socket.destroy()
    }, PATIENCE_MS)
    socket.on('error', () => {})
    // Whatever comes is taken, or the end would never be seen.
    socket.on('data', () => {})
    socket.on('end', () => socket.end())
    socket.on('connect', () => deed(socket, this.#hello))
    socket.on('close', () => {
      clearTimeout(patience)
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#onGone?.()
    })
  }
}
