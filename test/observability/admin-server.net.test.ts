import { type IncomingHttpHeaders, request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import { AdminServer } from '../../src/observability/admin-server.ts'
import type { MetricsPage } from '../../src/observability/metrics.ts'
import type { SessionQuery } from '../../src/observability/session-list.ts'
import { buildStatus, type Status } from '../../src/observability/status.ts'
import type { OrderResult } from '../../src/probe/health-loop.ts'
import { initialState } from '../../src/topology/topology-state.ts'

const TOKEN = 'correct horse battery staple'
const TOKEN_HEADER = { authorization: `Bearer ${TOKEN}` }

const METRICS: MetricsPage = { contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'pgha_ready 1\n' }

const STATUS: Status = buildStatus({
  decision: null,
  state: initialState(null, [], 0),
  members: [{ name: 'node1', address: { host: 'pg-0', port: 5432 } }],
  evidence: new Map(),
  sessionCountOn: () => 0,
  sessions: { active: 0, held: 0, accepted: 0, ended: new SessionRegistry().endedCounts },
  listeners: ['127.0.0.1:5432'],
  isDraining: false,
  version: '1.2.3',
  startedAt: 0,
  now: 5000,
  wallTime: new Date('2026-01-01T00:00:05.000Z'),
})

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const servers: AdminServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

async function start(
  options: {
    hosts?: string[]
    token?: string | null
    isReady?: () => boolean
    metrics?: () => Promise<MetricsPage>
    result?: OrderResult
  } = {},
) {
  const orders: string[] = []
  const queries: SessionQuery[] = []
  const log: unknown[] = []
  const defects: string[] = []
  const order = (name: string) => async (node: string) => {
    orders.push(`${name} ${node}`)
    return options.result ?? { ok: true as const, message: 'done' }
  }
  const server = new AdminServer({
    address: { host: '127.0.0.1', port: 0 },
    hosts: options.hosts ?? [],
    token: options.token === undefined ? TOKEN : options.token,
    actions: {
      status: () => STATUS,
      sessions: (query) => {
        queries.push(query)
        return { total: 0, sessions: [], clients: [] }
      },
      isReady: options.isReady ?? (() => true),
      metrics: options.metrics ?? (async () => METRICS),
      accept: order('accept'),
      fence: order('fence'),
      unfence: order('unfence'),
    },
    onOrder: (given) => log.push(given),
    onDefect: (error, request) => defects.push(`${request}: ${error}`),
  })
  await server.open()
  servers.push(server)
  const port = Number(server.address.split(':').at(-1))

  const ask = async (
    method: string,
    path: string,
    { headers = {}, body = '' }: { headers?: Record<string, string>; body?: string } = {},
  ): Promise<Answer> =>
    await new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
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
  return { server, orders, log, defects, queries, ask, port }
}

describe('a question', () => {
  it('about life is answered 200 as long as there is a process', async () => {
    const { ask } = await start({ isReady: () => false })
    const { status, headers, body } = await ask('GET', '/livez')

    expect([status, JSON.parse(body)]).toEqual([200, { live: true }])
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    expect(headers['cache-control']).toBe('no-store')
  })

  it('about readiness is answered 200 or 503, with the reason', async () => {
    let isReady = false
    const { ask } = await start({ isReady: () => isReady })
    const before = await ask('GET', '/readyz')
    isReady = true
    const after = await ask('GET', '/readyz')

    expect([before.status, after.status]).toEqual([503, 200])
    expect(JSON.parse(before.body)).toEqual({
      ready: false,
      state: 'no-primary',
      primary: null,
      reason: 'starting: no node has been probed yet',
    })
  })

  it('about the sessions is passed on as it was asked, and refused when it asks for too many', async () => {
    const { ask, queries } = await start()
    const { status, body } = await ask('GET', '/api/sessions?limit=5&client=203.0.113.7')

    expect([status, JSON.parse(body)]).toEqual([200, { total: 0, sessions: [], clients: [] }])
    expect((await ask('GET', '/api/sessions')).status).toBe(200)
    expect((await ask('GET', '/api/sessions?limit=100000')).status).toBe(400)
    expect(queries).toEqual([
      { limit: 5, client: '203.0.113.7', node: null },
      { limit: 100, client: null, node: null },
    ])
  })

  it('about the metrics is answered as Prometheus wants it', async () => {
    const { ask } = await start()
    const { status, headers, body } = await ask('GET', '/metrics')

    expect([status, body]).toEqual([200, METRICS.text])
    expect(headers['content-type']).toBe(METRICS.contentType)
  })

  it('about the metrics is refused under a host name that is not its own', async () => {
    const { ask } = await start({ hosts: ['reverse-proxy'] })

    expect((await ask('GET', '/metrics', { headers: { host: 'reverse-proxy:8432' } })).status).toBe(200)
    expect((await ask('GET', '/metrics', { headers: { host: 'attacker.example' } })).status).toBe(403)
  })

  it('that cannot be answered gets 500 without the cause, which is told to us, and ends nothing', async () => {
    let isBroken = true
    const metrics = async (): Promise<MetricsPage> => {
      if (isBroken) throw new Error('the secret cause')
      return METRICS
    }
    const { ask, defects } = await start({ metrics })
    const { status, body } = await ask('GET', '/metrics?x=1')
    isBroken = false

    expect([status, JSON.parse(body)]).toEqual([500, { error: 'this could not be answered: see the log' }])
    expect(defects).toEqual(['GET /metrics: Error: the secret cause'])
    expect((await ask('GET', '/metrics')).status).toBe(200)
  })

  it('about the status is answered with what the spec promises', async () => {
    const { ask } = await start()
    const { status, body } = await ask('GET', '/api/status?verbose=1')

    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({
      state: 'no-primary',
      primary: null,
      timelineId: null,
      systemIdentifier: null,
      since: '2026-01-01T00:00:00.000Z',
      nodes: [{ name: 'node1', address: 'pg-0:5432', role: 'unknown', inRecovery: null, lsn: null, lastSeenMs: null }],
      sessions: { active: 0, held: 0 },
      version: '1.2.3',
      uptimeSeconds: 5,
    })
  })

  it.each(['/', '/nothing', '/livez/', '/LIVEZ', '//livez', '/api/nothing', '/%2e%2e/livez'])(
    'about %s is answered 404',
    async (path) => {
      const { ask } = await start()
      expect((await ask('GET', path)).status).toBe(404)
    },
  )

  it('by HEAD gets the head of the same answer', async () => {
    const { ask } = await start({ isReady: () => false })
    const { status, body, headers } = await ask('HEAD', '/readyz')

    expect([status, body]).toEqual([503, ''])
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
  })

  it.each(['PUT', 'DELETE', 'OPTIONS', 'POST'])('by %s is refused', async (method) => {
    const { ask } = await start()
    expect((await ask(method, '/api/status', { headers: TOKEN_HEADER })).status).toBe(405)
    expect((await ask(method, '/livez', { headers: TOKEN_HEADER })).status).toBe(404)
  })

  it.each(['evil.example', 'evil.example:8432', '127.0.0.1.evil.example', 'localhost.evil.example'])(
    'with the host %j is refused',
    async (host) => {
      const { ask } = await start()
      expect((await ask('GET', '/api/status', { headers: { host } })).status).toBe(403)
    },
  )

  it.each(['127.0.0.1', '127.0.0.1:8432', 'localhost', 'LOCALHOST:1', '[::1]', '[::1]:8432', '192.0.2.7:80'])(
    'with the host %j is answered',
    async (host) => {
      const { ask } = await start()
      expect((await ask('GET', '/livez', { headers: { host } })).status).toBe(200)
    },
  )

  it.each(['reverse-proxy', 'reverse-proxy:8432', 'Reverse-Proxy.:8432'])(
    'with the host %j is answered when admin.hosts names it',
    async (host) => {
      const { ask } = await start({ hosts: ['reverse-proxy'] })
      expect((await ask('GET', '/api/status', { headers: { host } })).status).toBe(200)
      expect((await ask('GET', '/api/status', { headers: { host: `x-${host}` } })).status).toBe(403)
    },
  )

  it('for a name that is not in admin.hosts is told where to name it', async () => {
    const { ask } = await start()
    expect((await ask('GET', '/livez', { headers: { host: 'reverse-proxy' } })).body).toContain('admin.hosts')
  })

  it('from a page of any origin is refused', async () => {
    const { ask, orders } = await start()
    for (const origin of ['http://evil.example', 'http://127.0.0.1', 'null']) {
      expect((await ask('GET', '/api/status', { headers: { origin } })).status).toBe(403)
      const order = { headers: { ...TOKEN_HEADER, origin }, body: '{"node":"node1"}' }
      expect((await ask('POST', '/api/fence', order)).status).toBe(403)
    }
    expect(orders).toEqual([])
  })
})

describe('an order', () => {
  const body = JSON.stringify({ node: 'node1' })

  it.each(['accept', 'fence', 'unfence'])(
    'to %s is passed on with the right token, and told to the log',
    async (name) => {
      const { ask, orders, log } = await start()
      const { status, body: answer } = await ask('POST', `/api/${name}`, { headers: TOKEN_HEADER, body })

      expect([status, JSON.parse(answer)]).toEqual([200, { message: 'done' }])
      expect(orders).toEqual([`${name} node1`])
      expect(log).toEqual([{ order: name, node: 'node1', client: '127.0.0.1', result: { ok: true, message: 'done' } }])
    },
  )

  it('that cannot be followed is answered 409 with the problem', async () => {
    const { ask } = await start({ result: { ok: false, problem: 'there is no node "node1"' } })
    const { status, body: answer } = await ask('POST', '/api/fence', { headers: TOKEN_HEADER, body })

    expect([status, JSON.parse(answer)]).toEqual([409, { error: 'there is no node "node1"' }])
  })

  it('is off, and says how it is switched on, when no token is configured', async () => {
    const { ask, orders } = await start({ token: null })
    const { status, body: answer } = await ask('POST', '/api/fence', { headers: TOKEN_HEADER, body })

    expect([status, orders]).toEqual([403, []])
    expect(answer).toContain('admin.token_file')
  })

  it.each<[string, Record<string, string>]>([
    ['no token', {}],
    ['a wrong token', { authorization: 'Bearer wrong' }],
    ['half of the token', { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
    ['more than the token', { authorization: `Bearer ${TOKEN}!` }],
    ['the token in another scheme', { authorization: `Basic ${TOKEN}` }],
    ['an empty token', { authorization: 'Bearer ' }],
  ])('with %s is refused', async (_, headers) => {
    const { ask, orders } = await start()
    const answer = await ask('POST', '/api/fence', { headers, body })

    expect([answer.status, answer.headers['www-authenticate'], orders]).toEqual([401, 'Bearer', []])
  })

  it('without a token is refused also when the configured token is empty', async () => {
    const { ask, orders } = await start({ token: '' })
    const statuses = [
      (await ask('POST', '/api/fence', { body })).status,
      (await ask('POST', '/api/fence', { headers: { authorization: 'Bearer ' }, body })).status,
    ]

    expect([statuses.every((status) => status === 401 || status === 403), orders]).toEqual([true, []])
  })

  it.each<[string, string]>([
    ['empty', ''],
    ['no JSON', 'node1'],
    ['a list', '["node1"]'],
    ['null', 'null'],
    ['without a node', '{"name":"node1"}'],
    ['with a number', '{"node":1}'],
    ['with an empty name', '{"node":""}'],
    ['too large by little', JSON.stringify({ node: 'x'.repeat(4100) })],
    ['too large by far', JSON.stringify({ node: 'x'.repeat(1_000_000) })],
  ])('with a body that is %s is answered 400', async (_, faulty) => {
    const { ask, orders } = await start()
    const { status } = await ask('POST', '/api/fence', { headers: TOKEN_HEADER, body: faulty })

    expect([status, orders]).toEqual([400, []])
  })
})

describe('AdminServer', () => {
  it('closes connections that are open, and can be closed twice', async () => {
    const { server, ask } = await start()
    await ask('GET', '/livez')
    await server.close()
    await server.close()

    await expect(ask('GET', '/livez')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('rejects with the error of the system when its address is taken', async () => {
    const { port } = await start()
    const second = new AdminServer({
      address: { host: '127.0.0.1', port },
      hosts: [],
      token: null,
      actions: {
        status: () => STATUS,
        sessions: () => ({ total: 0, sessions: [], clients: [] }),
        isReady: () => true,
        metrics: async () => METRICS,
        accept: async () => ({ ok: true, message: '' }),
        fence: async () => ({ ok: true, message: '' }),
        unfence: async () => ({ ok: true, message: '' }),
      },
      onOrder: () => undefined,
      onDefect: () => undefined,
    })

    await expect(second.open()).rejects.toThrow(/EADDRINUSE/)
  })
})
