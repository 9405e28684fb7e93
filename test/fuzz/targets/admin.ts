/** The admin HTTP server against any bytes on its port, in any pieces. Fuzz target. One server and one client at a time. */
import { connect } from 'node:net'
import { AdminServer } from '../../../src/admin/admin-server.ts'
import type { Order } from '../../../src/admin/order.ts'
import { listSessions } from '../../../src/observability/session-list.ts'
import type { Clock } from '../../../src/ports.ts'
import { statusAfter } from '../../cli/status/statuses.ts'
import { realClock } from '../../probe/real-clock.ts'
import { cutBy, splitLead } from '../byte-reader.ts'
import { ensure, type FuzzTarget } from '../target.ts'
import { LEAD } from './wire-words.ts'

const STATUS = statusAfter({ epoch: '1 node1', turns: [['P1+', 'S1<node1']] })
const TOKEN = 'correct-horse'
/** Every answer here is made at once. */
const DEADLINE_MS = 3_000

let now = 0
/** An hour passes between any two looks: no limit on requests hides what they would do. */
const hurryingClock: Clock = { ...realClock, now: () => (now += 3_600_000) }

const LEAD_TEXT = LEAD.toString('latin1')

interface Rig {
  readonly server: AdminServer
  readonly port: number
  readonly orders: Order[]
  readonly defects: unknown[]
}

let rig: Rig | null = null

async function openRig(): Promise<Rig> {
  const orders: Order[] = []
  const defects: unknown[] = []
  const server = new AdminServer({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    socketMode: 0o600,
    clock: hurryingClock,
    hosts: ['proxy.example'],
    token: TOKEN,
    actions: {
      glance: () => ({ active: 0, held: 0, state: 'serving', primary: 'node1' }),
      status: () => STATUS,
      sessions: (query) => listSessions([], query, { now: 0, wallTime: new Date(0) }),
      failovers: () => ({ total: 0, failovers: [] }),
      isReady: () => false,
      metrics: async () => ({ contentType: 'text/plain', text: 'x 1\n' }),
      routing: () => ({ primary: 'held', standby: () => 'routed', overall: 'routed' }),
      carryOut: async ({ order }) => {
        orders.push(order)
        return { ok: true, message: 'done' }
      },
      hurry: () => undefined,
    },
    onOrder: () => undefined,
    onNotified: () => undefined,
    onRefused: () => undefined,
    onDefect: (error) => defects.push(error),
  })
  await server.open()
  return { server, port: Number(server.address.split(':').at(-1)), orders, defects }
}

const request = (line: string, headers: string, body = ''): Buffer =>
  Buffer.from(`${LEAD_TEXT}${line} HTTP/1.1\r\n${headers}\r\n${body}`, 'latin1')

export const adminHttp: FuzzTarget = {
  name: 'admin-http',
  oracle:
    'every connection is answered or closed; no defect of ours; no order without the token, and none with an Origin',
  covers: [
    'src/admin/admin-server.ts',
    'src/admin/order.ts',
    'src/admin/order-desk.ts',
    'src/admin/patroni-endpoints.ts',
    'src/admin/request-body.ts',
    'src/admin/request-guard.ts',
    'src/admin/routes.ts',
  ],
  inputBytesMax: 8192,
  seeds: [
    request('GET /livez', 'Host: localhost\r\n'),
    request('GET /readyz?x', 'Host: 127.0.0.1:8432\r\nConnection: close\r\n'),
    request('GET /metrics', 'Host: proxy.example\r\n'),
    request(
      'POST /api/fence',
      `Host: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Length: 16\r\n`,
      '{"node":"node1"}',
    ),
    request('POST /api/accept', 'Host: localhost\r\nOrigin: http://evil\r\nContent-Length: 2\r\n', '{}'),
  ],
  dictionary: [
    ...[
      'GET ',
      'POST ',
      'HEAD ',
      'PRI * HTTP/2.0',
      '/api/status',
      '/api/sessions?limit=',
      '/api/fence',
      '/api/unfence',
      '/api/drain',
      '/api/probe',
      '/replica?lag=',
      'OPTIONS ',
      '/livez',
      ' HTTP/1.1\r\n',
      'http://x/',
    ],
    ...[
      'Host: localhost\r\n',
      'Host: [::1]\r\n',
      'Origin: x\r\n',
      `Authorization: Bearer ${TOKEN}\r\n`,
      'Transfer-Encoding: chunked\r\n',
    ],
    ...[
      'Content-Length: 5000\r\n',
      'Expect: 100-continue\r\n',
      'Upgrade: x\r\nConnection: Upgrade\r\n',
      '\r\n',
      '\r\n\r\n',
      '{"node":"a"}',
      '5\r\n',
      '0\r\n\r\n',
    ],
  ],
  batchMax: 16,
  run: async (input) => {
    rig ??= await openRig()
    const { port, orders, defects } = rig
    orders.length = 0
    const { lead, body } = splitLead(input)
    const client = connect({ host: '127.0.0.1', port })
    const received: Buffer[] = []
    client.on('data', (chunk) => received.push(chunk))
    client.on('error', () => undefined)
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
    for (const piece of cutBy(lead, body)) {
      if (client.destroyed) break
      client.write(piece)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    client.end()
    let isLate = false
    const deadline = setTimeout(() => {
      isLate = true
      client.destroy()
    }, DEADLINE_MS)
    await closed
    clearTimeout(deadline)
    ensure(!isLate, 'a client that has said all is answered or closed')
    ensure(defects.splice(0).length === 0, 'no request meets a defect')
    const answer = Buffer.concat(received).toString('latin1')
    ensure(answer === '' || /^HTTP\/1\.1 \d{3} /.test(answer), 'an answer is HTTP')
    const text = body.toString('latin1')
    ensure(orders.length === 0 || new RegExp(`bearer ${TOKEN}`, 'i').test(text), 'no order is taken without the token')
    const isNamed = (order: Order): boolean => !('node' in order) || order.node !== ''
    ensure(orders.every(isNamed), 'an order names its node')
  },
  close: async () => {
    await rig?.server.close()
    rig = null
  },
}
