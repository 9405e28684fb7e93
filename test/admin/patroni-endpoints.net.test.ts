import { describe, expect, it } from 'vitest'
import { OUTLOOKS, type Outlook, PATRONI_PATHS, type RoutingView } from '../../src/admin/patroni-endpoints.ts'
import { statusAfter } from '../cli/status/statuses.ts'
import { closeAfterEach, startAdmin } from './admin-rig.ts'

closeAfterEach()

const SERVING = statusAfter({ epoch: '3 node1', turns: [['P3+', 'S3<node1']] })

function view(primary: Outlook, standby: Outlook): RoutingView {
  const overall = OUTLOOKS.find((outlook) => outlook === primary || outlook === standby) ?? 'refused'
  return { primary, standby: () => standby, overall }
}

/** What a new session to the primary and one to a standby have before them, and which checks say 200 then. */
const TABLE: readonly (readonly [Outlook, Outlook, boolean, readonly string[]])[] = [
  ['routed', 'routed', true, ['/primary', '/master', '/leader', '/read-write', '/replica', '/read-only', '/health']],
  ['routed', 'refused', true, ['/primary', '/master', '/leader', '/read-write', '/read-only', '/health']],
  ['held', 'routed', false, ['/replica', '/read-only', '/health']],
  ['held', 'refused', false, ['/health']],
  ['refused', 'refused', false, []],
]

describe('the checks of a load balancer', () => {
  it.each(TABLE)('primary %s, standby %s, ready %s: exactly %j say 200', async (primary, standby, isReady, good) => {
    const { ask } = await startAdmin({ actions: { routing: () => view(primary, standby), isReady: () => isReady } })
    const expected = [...good, '/liveness', ...(isReady ? ['/readiness'] : [])]
    const said = await Promise.all(PATRONI_PATHS.map(async (path) => [path, (await ask('GET', path)).status] as const))

    expect(said.filter(([, status]) => status === 200).map(([path]) => path)).toEqual(expected)
    expect(said.every(([, status]) => status === 200 || status === 503)).toBe(true)
  })

  it('have a body with the names that Patroni uses', async () => {
    const { ask } = await startAdmin({ actions: { status: () => SERVING } })
    const { headers, body } = await ask('GET', '/primary')

    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    expect(JSON.parse(body)).toEqual({
      state: 'running',
      role: 'primary',
      timeline: 3,
      database_system_identifier: SERVING.systemIdentifier,
      pgha_proxy: {
        state: 'serving',
        reason: 'node1 is primary on timeline 3',
        primary: 'node1',
        sessions: { primary: 'routed', standby: 'routed' },
      },
    })
  })

  it('say that the proxy is stopping while it drains', async () => {
    const status = () => ({ ...SERVING, draining: true })
    const { ask } = await startAdmin({ actions: { status, routing: () => view('refused', 'refused') } })
    const answer = await ask('GET', '/health')

    expect(answer.status).toBe(503)
    expect(JSON.parse(answer.body)).toMatchObject({ state: 'stopping', role: null })
  })

  it.each(['HEAD', 'OPTIONS'])('answer %s with the code', async (method) => {
    const { ask } = await startAdmin({ actions: { routing: () => view('held', 'routed') } })

    expect((await ask(method, '/primary')).status).toBe(503)
    expect((await ask(method, '/replica')).status).toBe(200)
  })

  it('take no order and no body', async () => {
    const { ask } = await startAdmin()
    const { status, headers } = await ask('POST', '/primary')
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS'])
  })
})

describe('GET /replica?lag=', () => {
  it.each<[string, number]>([
    ['1000', 1000],
    ['0', 0],
    ['16kB', 16 * 1024],
    ['16MB', 16 * 1024 * 1024],
    ['16MiB', 16 * 1024 * 1024],
    ['1gb', 1024 ** 3],
  ])('%s is %i bytes', async (lag, bytes) => {
    const asked: (number | null)[] = []
    const routing = (): RoutingView => ({
      ...view('routed', 'routed'),
      standby: (lagBytesMax) => {
        asked.push(lagBytesMax)
        return 'routed'
      },
    })
    const { ask } = await startAdmin({ actions: { routing } })

    expect((await ask('GET', `/replica?lag=${lag}`)).status).toBe(200)
    expect(asked).toContain(bytes)
  })

  it.each(['', 'much', '-1', '1.5MB', '16 megabytes', '9999999999999999'])('%s is no lag: 400', async (lag) => {
    const { ask } = await startAdmin()
    expect((await ask('GET', `/replica?lag=${encodeURIComponent(lag)}`)).status).toBe(400)
  })
})
