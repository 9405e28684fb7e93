/** The admin HTTP server against any bytes on its port, in any pieces. Fuzz target. One server and one client at a time. */
import { connect } from 'node:net'
import { AdminServer } from '../../../src/observability/admin-server.ts'
import { listSessions } from '../../../src/observability/session-list.ts'
import { statusAfter } from '../../cli/status/statuses.ts'
import { cutBy, splitLead } from '../byte-reader.ts'
import { ensure, type FuzzTarget } from '../target.ts'
import { LEAD } from './wire-words.ts'

const STATUS = statusAfter({ epoch: '1 node1', turns: [['P1+', 'S1<node1']] })
const TOKEN = 'correct-horse'
/** Every answer here is made at once. */
const DEADLINE_MS = 3_000

const LEAD_TEXT = LEAD.toString('latin1')

interface Rig {
  readonly server: AdminServer
  readonly port: number
  readonly orders: string[]
  readonly defects: unknown[]
}

let rig: Rig | null = null

async function openRig(): Promise<Rig> {
  const orders: string[] = []
  const defects: unknown[] = []
  const order = async (node: string): Promise<{ ok: true; message: string }> => {
    orders.push(node)
    return { ok: true, message: 'done' }
  }
  const server = new AdminServer({
    address: { host: '127.0.0.1', port: 0 },
    hosts: ['proxy.example'],
    token: TOKEN,
    actions: {
      status: () => STATUS,
      sessions: (query) => listSessions([], query, { now: 0, wallTime: new Date(0) }),
      isReady: () => false,
      metrics: async () => ({ contentType: 'text/plain', text: 'x 1\n' }),
      accept: order,
      fence: order,
      unfence: order,
    },
    onOrder: () => undefined,
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
  covers: ['src/observability/admin-server.ts'],
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
    ensure(orders.length === 0 || orders.every((node) => node !== ''), 'an order names a node')
  },
  close: async () => {
    await rig?.server.close()
    rig = null
  },
}
