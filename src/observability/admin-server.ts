/**
 * The admin HTTP server: health checks, status and metrics for everybody who reaches it, orders for those who have the
 * token. Effect layer. It answers and passes orders on; what they mean is the health loop's to know.
 *
 * Requests that a web page could make in an operator's browser are refused: a `Host` that is not an address of this
 * server's own kind (DNS rebinding), and any `Origin` (no page of ours sends orders).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { formatNodeAddress } from '../config/address.ts'
import type { OrderResult } from '../probe/health-loop.ts'
import type { MetricsPage } from './metrics.ts'
import { readSessionQuery, type SessionList, type SessionQuery } from './session-list.ts'
import type { Status } from './status.ts'

/** The largest body of an order: a node's name. */
const BODY_BYTES_MAX = 4096

export interface AdminActions {
  readonly status: () => Status
  readonly sessions: (query: SessionQuery) => SessionList
  /** True when a primary is proven and the listeners are open. */
  readonly isReady: () => boolean
  readonly metrics: () => Promise<MetricsPage>
  readonly accept: (node: string) => Promise<OrderResult>
  readonly fence: (node: string) => Promise<OrderResult>
  readonly unfence: (node: string) => Promise<OrderResult>
}

export interface AdminServerOptions {
  readonly address: { readonly host: string; readonly port: number }
  /** Names in small letters that it answers to, besides `localhost`, its own and every address. */
  readonly hosts: readonly string[]
  /** `null`: orders are off. */
  readonly token: string | null
  readonly actions: AdminActions
  readonly onOrder: (order: {
    readonly order: string
    readonly node: string
    readonly client: string
    readonly result: OrderResult
  }) => void
  /** A request could not be answered because of a defect of ours; its client was told 500 and nothing more. */
  readonly onDefect: (error: unknown, request: string) => void
}

const ORDERS = ['accept', 'fence', 'unfence'] as const
type Order = (typeof ORDERS)[number]

export class AdminServer {
  readonly #options: AdminServerOptions
  readonly #server: Server

  constructor(options: AdminServerOptions) {
    this.#options = options
    this.#server = createServer(
      { requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8192 },
      (request, response) => {
        this.#answer(request, response).catch((error: unknown) => {
          options.onDefect(error, `${request.method} ${pathOf(request)}`)
          if (response.headersSent) response.destroy()
          else sendJson(response, 500, { error: 'this could not be answered: see the log' })
        })
      },
    )
  }

  /** `host:port` as it was opened. */
  get address(): string {
    const opened = this.#server.address()
    const { host, port } = this.#options.address
    const shown = opened !== null && typeof opened === 'object' ? opened.port : port
    return formatNodeAddress({ host, port: shown })
  }

  /** Rejects with the error of the system. */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#options.address, () => {
        this.#server.removeListener('error', reject)
        resolve()
      })
    })
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => undefined)
    if (request.headers.origin !== undefined) {
      return sendJson(response, 403, { error: 'requests from web pages of any origin are refused' })
    }
    if (!this.#isOwnHost(request.headers.host)) {
      return sendJson(response, 403, { error: 'requests for this host name are refused: see admin.hosts' })
    }
    const path = pathOf(request)
    if (request.method === 'GET' || request.method === 'HEAD') return this.#answerQuestion(path, request, response)
    const order = ORDERS.find((known) => path === `/api/${known}`)
    if (request.method === 'POST' && order !== undefined) return this.#takeOrder(order, request, response)
    return sendJson(response, path.startsWith('/api/') ? 405 : 404, { error: 'there is no such thing here' })
  }

  /** An address or localhost is nobody's to rebind; a name is taken when the server was told that it is its own. */
  #isOwnHost(header: string | undefined): boolean {
    if (header === undefined) return false
    const host = header
      .replace(/:\d+$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .replace(/\.$/, '')
      .toLowerCase()
    const { address, hosts } = this.#options
    return host === 'localhost' || host === address.host.toLowerCase() || isIP(host) !== 0 || hosts.includes(host)
  }

  async #answerQuestion(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { actions } = this.#options
    switch (path) {
      case '/livez':
        return sendJson(response, 200, { live: true })
      case '/readyz': {
        const isReady = actions.isReady()
        const { state, reason, primary } = actions.status()
        return sendJson(response, isReady ? 200 : 503, { ready: isReady, state, primary, reason })
      }
      case '/api/status':
        return sendJson(response, 200, actions.status())
      case '/api/sessions': {
        const query = readSessionQuery(new URLSearchParams((request.url ?? '').split('?')[1]))
        if (query === null) return sendJson(response, 400, { error: 'limit must be a whole number, 0 to 1000' })
        return sendJson(response, 200, actions.sessions(query))
      }
      case '/metrics': {
        const { contentType, text } = await actions.metrics()
        return send(response, 200, contentType, text)
      }
      default:
        return sendJson(response, 404, { error: 'there is no such thing here' })
    }
  }

  async #takeOrder(order: Order, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { token, actions, onOrder } = this.#options
    if (token === null) {
      return sendJson(response, 403, { error: 'orders are off: set admin.token_file in the configuration' })
    }
    if (!isAuthorized(request.headers.authorization, token)) {
      response.setHeader('WWW-Authenticate', 'Bearer')
      return sendJson(response, 401, { error: 'the token is missing or wrong' })
    }
    const node = await readNode(request)
    if (node === null) return sendJson(response, 400, { error: 'the body must be JSON: {"node": "NAME"}' })
    const result = await actions[order](node)
    onOrder({ order, node, client: request.socket.remoteAddress ?? '', result })
    return sendJson(
      response,
      result.ok ? 200 : 409,
      result.ok ? { message: result.message } : { error: result.problem },
    )
  }
}

/** Compares digests, which are of one length, in constant time: the answer's delay tells nothing of the token. */
function isAuthorized(header: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(header ?? '')?.[1] ?? ''
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  // No token is nobody's token, also when the configured one is empty.
  return given !== '' && timingSafeEqual(digest(given), digest(token))
}

/** The `node` of a JSON body; `null` when it is too large, no JSON, or has none. */
async function readNode(request: IncomingMessage): Promise<string | null> {
  const pieces: Buffer[] = []
  let size = 0
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      size += piece.length
      if (size > BODY_BYTES_MAX) return null
      pieces.push(piece)
    }
    const body: unknown = JSON.parse(Buffer.concat(pieces).toString('utf8'))
    const node = typeof body === 'object' && body !== null && 'node' in body ? body.node : null
    return typeof node === 'string' && node !== '' ? node : null
  } catch {
    return null
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '/').split('?', 1)[0] ?? '/'
}

function sendJson(response: ServerResponse, statusCode: number, body: unknown): void {
  send(response, statusCode, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`)
}

function send(response: ServerResponse, statusCode: number, contentType: string, body: string): void {
  response.writeHead(statusCode, { 'Content-Type': contentType, 'Cache-Control': 'no-store' })
  response.end(body)
}
