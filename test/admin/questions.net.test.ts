import { describe, expect, it } from 'vitest'
import type { MetricsPage } from '../../src/observability/metrics.ts'
import type { SessionQuery } from '../../src/observability/session-list.ts'
import { closeAfterEach, METRICS, startAdmin, TOKEN, TOKEN_HEADER } from './admin-rig.ts'

closeAfterEach()

describe('a question', () => {
  it('about life is answered 200 as long as there is a process', async () => {
    const { ask } = await startAdmin({ actions: { isReady: () => false } })
    const { status, headers, body } = await ask('GET', '/livez')

    expect([status, JSON.parse(body)]).toEqual([200, { live: true }])
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    expect(headers['cache-control']).toBe('no-store')
  })

  it('about readiness is answered 200 or 503, with the reason', async () => {
    let isReady = false
    const { ask } = await startAdmin({ actions: { isReady: () => isReady } })
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
    const queries: SessionQuery[] = []
    const sessions = (query: SessionQuery) => {
      queries.push(query)
      return { total: 0, sessions: [], clients: [] }
    }
    const { ask } = await startAdmin({ actions: { sessions } })
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
    const { ask } = await startAdmin()
    const { status, headers, body } = await ask('GET', '/metrics')

    expect([status, body]).toEqual([200, METRICS.text])
    expect(headers['content-type']).toBe(METRICS.contentType)
  })

  it('about the metrics is refused under a host name that is not its own', async () => {
    const { ask } = await startAdmin({ hosts: ['reverse-proxy'] })

    expect((await ask('GET', '/metrics', { headers: { host: 'reverse-proxy:8432' } })).status).toBe(200)
    expect((await ask('GET', '/metrics', { headers: { host: 'attacker.example' } })).status).toBe(403)
  })

  it('that cannot be answered gets 500 without the cause, which is told to us, and ends nothing', async () => {
    let isBroken = true
    const metrics = async (): Promise<MetricsPage> => {
      if (isBroken) throw new Error('the secret cause')
      return METRICS
    }
    const { ask, defects } = await startAdmin({ actions: { metrics } })
    const { status, body } = await ask('GET', '/metrics?x=1')
    isBroken = false

    expect([status, JSON.parse(body)]).toEqual([500, { error: 'this could not be answered: see the log' }])
    expect(defects).toEqual(['GET /metrics: Error: the secret cause'])
    expect((await ask('GET', '/metrics')).status).toBe(200)
  })

  it('about the status is answered with what the spec promises', async () => {
    const { ask } = await startAdmin()
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

  it.each([
    ...['/nothing', '/livez/', '/LIVEZ', '//livez', '/api/nothing', '/%2e%2e/livez', '/api/../livez'],
    ...['/api//status', '/api/status/', '/%61pi/status', '/api%2Fstatus', '/api/status;x', '/../etc/passwd', '*'],
    ...['http://127.0.0.1/livez', 'http://evil.example/api/status', '/__proto__', '/constructor'],
  ])('about %s is answered 404, in the same words', async (path) => {
    const { ask } = await startAdmin()
    const { status, body } = await ask('GET', path)
    expect([status, JSON.parse(body)]).toEqual([404, { error: 'there is no such thing here' }])
  })

  it('by HEAD gets the head of the same answer', async () => {
    const { ask } = await startAdmin({ actions: { isReady: () => false } })
    const { status, body, headers } = await ask('HEAD', '/readyz')

    expect([status, body]).toEqual([503, ''])
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
  })

  it.each(['PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH', 'TRACE', 'PROPFIND'])(
    'by %s is refused, and told how it is asked',
    async (method) => {
      const { ask } = await startAdmin()
      const { status, headers, body } = await ask(method, '/api/status', { headers: TOKEN_HEADER })
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD'])
      expect(body).not.toContain(TOKEN)
    },
  )

  it('under the path of an order is refused, and told how that is given', async () => {
    const { ask, orders } = await startAdmin()
    const { status, headers } = await ask('GET', '/api/fence', { headers: TOKEN_HEADER })
    expect([status, headers.allow, orders]).toEqual([405, 'POST', []])
  })

  it.each(['evil.example', 'evil.example:8432', '127.0.0.1.evil.example', 'localhost.evil.example'])(
    'with the host %j is refused',
    async (host) => {
      const { ask } = await startAdmin()
      expect((await ask('GET', '/api/status', { headers: { host } })).status).toBe(403)
    },
  )

  it.each(['127.0.0.1', '127.0.0.1:8432', 'localhost', 'LOCALHOST:1', '[::1]', '[::1]:8432', '192.0.2.7:80'])(
    'with the host %j is answered',
    async (host) => {
      const { ask } = await startAdmin()
      expect((await ask('GET', '/livez', { headers: { host } })).status).toBe(200)
    },
  )

  it.each(['reverse-proxy', 'reverse-proxy:8432', 'Reverse-Proxy.:8432'])(
    'with the host %j is answered when admin.hosts names it',
    async (host) => {
      const { ask } = await startAdmin({ hosts: ['reverse-proxy'] })
      expect((await ask('GET', '/api/status', { headers: { host } })).status).toBe(200)
      expect((await ask('GET', '/api/status', { headers: { host: `x-${host}` } })).status).toBe(403)
    },
  )

  it('for a name that is not in admin.hosts is told where to name it', async () => {
    const { ask } = await startAdmin()
    expect((await ask('GET', '/livez', { headers: { host: 'reverse-proxy' } })).body).toContain('admin.hosts')
  })

  it('from a page of any origin is refused', async () => {
    const { ask, orders } = await startAdmin()
    for (const origin of ['http://evil.example', 'http://127.0.0.1', 'null']) {
      expect((await ask('GET', '/api/status', { headers: { origin } })).status).toBe(403)
      const order = { headers: { ...TOKEN_HEADER, origin }, body: '{"node":"node1"}' }
      expect((await ask('POST', '/api/fence', order)).status).toBe(403)
    }
    expect(orders).toEqual([])
  })
})
