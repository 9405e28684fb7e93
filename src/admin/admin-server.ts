/**
 * The admin HTTP server: its socket, its limits, and the way of a request through the guard to its route. Effect layer.
 * What is asked and ordered is for routes.ts and order-desk.ts. Plain HTTP: TLS is for a reverse proxy in front.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { formatListenerAddress } from '../config/address.ts'
import type { AdminAddress } from '../config/config.ts'
import { ListeningSocket } from '../net/listening-socket.ts'
import type { Clock } from '../ports.ts'
import { problem, sendAnswer } from './answer.ts'
import { LiveFeed } from './live-feed.ts'
import { NotificationDesk, type NotificationRecord } from './notification-desk.ts'
import { OrderDesk, type OrderRecord } from './order-desk.ts'
import { readBody } from './request-body.ts'
import { findForeign } from './request-guard.ts'
import { type AdminActions, type AdminMethod, type AdminRoutes, createRoutes } from './routes.ts'
import { type OrderRefusal, TokenGate } from './token-gate.ts'

/** Connections at once; the next are closed. They come out of the descriptors that the proxy keeps for its own needs. */
export const CONNECTIONS_MAX = 32
/** The same from one address, so that one neighbour cannot take all. Not for a Unix socket. */
export const CONNECTIONS_PER_ADDRESS_MAX = 16
/** Streams at once: they stay, and health checks need a place. */
export const STREAMS_MAX = 8

/** All headers together, and the line of the request. */
const HEADER_BYTES_MAX = 8_192
const HEADER_COUNT_MAX = 64
/** Time for all headers, and for headers and body; looked at by the interval. */
const PATIENCE: Patience = { headersWithinMs: 5_000, requestWithinMs: 10_000, checkIntervalMs: 1_000 }
/** Time for requests that are under way when another process takes over. */
const ANSWERED_WITHIN_MS = 1_000
/** Time for the next request on one connection. */
const KEEP_ALIVE_MS = 5_000

/** How long a client may take to say what it wants. */
export interface Patience {
  readonly headersWithinMs: number
  readonly requestWithinMs: number
  readonly checkIntervalMs: number
}

/** What may change while it runs. */
export interface AdminAccess {
  /** Names in small letters that it answers to, besides `localhost`, its own and every address. */
  readonly hosts: readonly string[]
  /** `null`: orders are off. */
  readonly token: string | null
}

export interface AdminServerOptions extends AdminAccess {
  readonly address: AdminAddress
  /** Permissions of the file of a Unix socket. */
  readonly socketMode: number
  /** A socket that listens at this address already, of the process before; left out: it is opened. */
  readonly inheritedFd?: number | undefined
  readonly clock: Clock
  /** Left out: seconds, as people and machines need them. */
  readonly patience?: Patience
  readonly actions: AdminActions
  readonly onOrder: (record: OrderRecord) => void
  readonly onNotified: (record: NotificationRecord) => void
  readonly onRefused: (refusal: OrderRefusal) => void
  /** A request could not be answered because of a defect of ours; its client was told 500 and nothing more. */
  readonly onDefect: (error: unknown, request: string) => void
}

export class AdminServer {
  readonly #options: AdminServerOptions
  readonly #server: Server
  readonly #socket: ListeningSocket
  readonly #routes: AdminRoutes
  readonly #feed: LiveFeed
  readonly #perAddress = new Map<string, number>()
  #access: AdminAccess
  #streamCount = 0

  constructor(options: AdminServerOptions) {
    const { actions, clock, onOrder, onNotified, onRefused } = options
    this.#options = options
    this.#access = options
    const { carryOut, hurry, status } = actions
    const gate = new TokenGate({ clock, token: () => this.#access.token, onRefused })
    const orders = new OrderDesk({ gate, carryOut, status, onOrder })
    const notifications = new NotificationDesk({ gate, hurry, onNotified })
    this.#feed = new LiveFeed({ ...actions, clock, onDefect: (error) => options.onDefect(error, 'events') })
    this.#routes = createRoutes(actions, { orders, notifications, feed: this.#feed })
    this.#server = this.#createServer(options.patience ?? PATIENCE)
    this.#socket = new ListeningSocket(this.#server, options)
  }

  /** `host:port` as it was opened, or `unix:/path`. */
  get address(): string {
    const { address } = this.#options
    const opened = this.#server.address()
    const isTcp = address.kind === 'tcp' && opened !== null && typeof opened === 'object'
    return formatListenerAddress(isTcp ? { ...address, port: opened.port } : address)
  }

  /** Rejects with the error of the system. */
  async open(): Promise<void> {
    await this.#socket.open()
    this.#feed.open()
  }

  /** Holds for the requests that come from now on. */
  configure(access: AdminAccess): void {
    this.#access = access
  }

  /** For another process to inherit. Throws when it is not open. */
  get descriptor(): number {
    return this.#socket.descriptor
  }

  /** The process that it was inherited from is done with it. */
  claimFile(): void {
    this.#socket.claimFile()
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    this.#feed.close()
    await new Promise<void>((resolve) => {
      this.#server.once('close', resolve)
      this.#socket.close()
      this.#server.closeAllConnections()
    })
  }

  /** Another process answers from now on. Requests that are under way have a moment to be answered, streams end. */
  async handOver(): Promise<void> {
    if (!this.#server.listening) return
    this.#feed.close()
    let cancel = (): void => undefined
    await new Promise<void>((resolve) => {
      this.#server.once('close', resolve)
      this.#socket.close({ keepFile: true })
      cancel = this.#options.clock.schedule(ANSWERED_WITHIN_MS, () => this.#server.closeAllConnections())
    })
    cancel()
  }

  #createServer({ headersWithinMs, requestWithinMs, checkIntervalMs }: Patience): Server {
    const server = createServer(
      {
        headersTimeout: headersWithinMs,
        requestTimeout: requestWithinMs,
        connectionsCheckingInterval: checkIntervalMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: HEADER_BYTES_MAX,
      },
      (request, response) => {
        this.#answer(request, response).catch((error: unknown) => {
          this.#options.onDefect(error, `${request.method} ${pathOf(request)}`)
          if (response.headersSent) response.destroy()
          else void sendAnswer(problem(500, 'this could not be answered: see the log'), request, response)
        })
      },
    )
    server.maxConnections = CONNECTIONS_MAX
    server.maxHeadersCount = HEADER_COUNT_MAX
    server.on('connection', (socket) => this.#count(socket))
    // Kept alive for nothing, while somebody finds no place.
    server.on('drop', () => server.closeIdleConnections())
    return server
  }

  #count(socket: Socket): void {
    const { remoteAddress } = socket
    if (remoteAddress === undefined) return
    const count = (this.#perAddress.get(remoteAddress) ?? 0) + 1
    if (count > CONNECTIONS_PER_ADDRESS_MAX) {
      socket.destroy()
      return
    }
    this.#perAddress.set(remoteAddress, count)
    socket.once('close', () => {
      const left = (this.#perAddress.get(remoteAddress) ?? 1) - 1
      if (left === 0) this.#perAddress.delete(remoteAddress)
      else this.#perAddress.set(remoteAddress, left)
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => undefined)
    const { address } = this.#options
    const { origin, host, authorization } = request.headers
    const own = { host: address.kind === 'tcp' ? address.host : null, hosts: this.#access.hosts }
    const route = this.#routes.get(pathOf(request))
    const asked = {
      origin: route?.isStatic ? undefined : origin,
      host,
      site: headerOf(request, 'sec-fetch-site'),
      mode: headerOf(request, 'sec-fetch-mode'),
      destination: headerOf(request, 'sec-fetch-dest'),
      isLinkable: request.method === 'GET' && pathOf(request) !== '/api/events',
    }
    const foreign = findForeign(asked, own)
    if (foreign !== null) return await sendAnswer(problem(403, foreign), request, response)
    if (route === undefined) {
      return await sendAnswer(problem(404, 'there is no such thing here'), request, response)
    }
    if (!route.methods.includes(request.method as AdminMethod)) {
      const headers = { Allow: route.methods.join(', ') }
      return await sendAnswer(problem(405, 'this is not asked like that', headers), request, response)
    }
    const answer = await route.answer({
      parameters: new URLSearchParams((request.url ?? '').split('?')[1]),
      client: request.socket.remoteAddress ?? '[local]',
      authorization,
      readBody: () => readBody(request),
    })
    if (answer.kind === 'whole') return await sendAnswer(answer, request, response)
    if (this.#streamCount >= STREAMS_MAX) {
      const busy = problem(503, `${STREAMS_MAX} streams are open already`, { 'Retry-After': '5' })
      return await sendAnswer(busy, request, response)
    }
    this.#streamCount += 1
    try {
      await sendAnswer(answer, request, response)
    } finally {
      this.#streamCount -= 1
    }
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join() : value
}

/** As it was written: a URL with a host, or anything encoded, is no path of ours. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/'
}
