/** An admin server in front of a proxy that is only told of, and a client that says what it wants. Test support. */
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { AdminServer, type AdminServerOptions } from '../../src/admin/admin-server.ts'
import type { NotificationRecord } from '../../src/admin/notification-desk.ts'
import type { OrderRecord } from '../../src/admin/order-desk.ts'
import type { RoutingView } from '../../src/admin/patroni-endpoints.ts'
import type { AdminActions } from '../../src/admin/routes.ts'
import type { OrderRefusal } from '../../src/admin/token-gate.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import type { MetricsPage } from '../../src/observability/metrics.ts'
import { buildStatus, type Status } from '../../src/observability/status.ts'
import type { OrderResult } from '../../src/probe/health-loop.ts'
import { initialState } from '../../src/topology/topology-state.ts'
import { realClock } from '../probe/real-clock.ts'

export const TOKEN = 'correct horse battery staple'
export const TOKEN_HEADER = { authorization: `Bearer ${TOKEN}` }
export const METRICS: MetricsPage = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'pgha_ready 1\n' }
export const ALL_ROUTED: RoutingView = { primary: 'routed', standby: () => 'routed', overall: 'routed' }

/** Of a proxy that has just been started in front of one node. */
export const STATUS: Status = buildStatus({
  decision: null,
  state: initialState(null, [], 0),
  members: [{ name: 'node1', address: { host: 'pg-0', port: 5432 } }],
  evidence: new Map(),
  policy: { requireMajority: false, graceMs: 2000, endSessionsWhenRefused: true, failuresToCount: 3 },
  sessionCountOn: () => 0,
  sessions: { active: 0, held: 0, accepted: 0, ended: new SessionRegistry().endedCounts },
  listeners: ['127.0.0.1:5432'],
  isDraining: false,
  version: '1.2.3',
  startedAt: 0,
  now: 5000,
  wallTime: new Date('2026-01-01T00:00:05.000Z'),
})

/** A proxy whose every order is followed and that knows nothing. */
export function idleActions(actions: Partial<AdminActions> = {}): AdminActions {
  return {
    glance: () => ({ active: 0, held: 0, state: 'no-primary', primary: null }),
    status: () => STATUS,
    sessions: () => ({ total: 0, sessions: [], clients: [] }),
    failovers: () => ({ total: 0, failovers: [] }),
    isReady: () => true,
    routing: () => ALL_ROUTED,
    metrics: async () => METRICS,
    carryOut: async () => ({ ok: true, message: 'done' }),
    hurry: () => undefined,
    ...actions,
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Asking {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Where it connects from. */
  readonly localAddress?: string
}

const servers: AdminServer[] = []
const sockets: Socket[] = []

/** Call once in a test file: what a test has opened is closed after it. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const server of servers.splice(0)) await server.close()
  })
}

export async function startAdmin(
  options: Partial<Omit<AdminServerOptions, 'actions'>> & {
    readonly actions?: Partial<AdminActions>
    readonly result?: OrderResult
  } = {},
) {
  const orders: OrderRecord[] = []
  const notified: NotificationRecord[] = []
  const refused: OrderRefusal[] = []
  const defects: string[] = []
  const { actions, result, ...others } = options
  const server = new AdminServer({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    socketMode: 0o600,
    hosts: [],
    token: TOKEN,
    clock: realClock,
    actions: idleActions({ carryOut: async () => result ?? { ok: true, message: 'done' }, ...actions }),
    onOrder: (order) => orders.push(order),
    onNotified: (record) => notified.push(record),
    onRefused: (refusal) => refused.push(refusal),
    onDefect: (error, asked) => defects.push(`${asked}: ${error}`),
    ...others,
  })
  await server.open()
  servers.push(server)
  const port = Number(server.address.split(':').at(-1))
  const target = options.address?.kind === 'unix' ? { socketPath: options.address.path } : { host: '127.0.0.1', port }

  const ask = async (
    method: string,
    path: string,
    { headers = {}, body = '', localAddress }: Asking = {},
  ): Promise<Answer> =>
    await new Promise((resolve, reject) => {
      const from = localAddress === undefined ? {} : { localAddress }
      const sent = request({ ...target, ...from, method, path, headers: { ...headers }, agent: false }, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(pieces).toString(),
          }),
        )
      })
      sent.on('error', reject)
      sent.end(body)
    })

  /** A connection on which the test writes what it likes. */
  const dial = (localAddress = '127.0.0.1'): RawConnection => {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    sockets.push(socket)
    return new RawConnection(socket)
  }
  return { server, orders, notified, refused, defects, ask, dial, port }
}

/** One connection, and all that came by it. */
export class RawConnection {
  readonly socket: Socket
  /** Resolves to everything received when it is closed, however that came. */
  readonly closed: Promise<string>
  #received = ''

  constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
    })
    socket.on('error', () => undefined)
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(this.#received)))
  }

  get received(): string {
    return this.#received
  }

  /** Sends this as it is. */
  write(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }
}
