import { describe, expect, it } from 'vitest'
import {
  type ListedSession,
  listSessions,
  pickSessions,
  readSessionQuery,
  type SessionList,
  type SessionQuery,
} from '../../src/observability/session-list.ts'

const NOW = { now: 10_000, wallTime: new Date('2026-01-01T00:00:10.000Z') }
const ANY = { limit: 100, client: null, node: null }

function sessionOf(given: Partial<ListedSession>): ListedSession {
  return {
    id: 1,
    client: '192.0.2.1',
    peer: '192.0.2.1',
    listener: '0.0.0.0:5432',
    node: 'node1',
    phase: 'relaying',
    acceptedAt: 9_000,
    traffic: { fromClient: 10, toClient: 20 },
    ...given,
  }
}

function list(sessions: readonly ListedSession[], asked: Partial<SessionQuery> = {}): SessionList {
  const query = { ...ANY, ...asked }
  return listSessions([pickSessions(sessions, query)], query, NOW)
}

describe('the list of sessions', () => {
  it('says who, by whom, where, since when and how much', () => {
    const direct = sessionOf({})
    const proxied = sessionOf({ client: '203.0.113.7', node: null, phase: 'held', acceptedAt: 8_500 })
    expect(list([direct, proxied])).toEqual({
      total: 2,
      sessions: [
        {
          id: 1,
          client: '203.0.113.7',
          peer: '192.0.2.1',
          listener: '0.0.0.0:5432',
          node: null,
          phase: 'held',
          since: '2026-01-01T00:00:08.500Z',
          bytesFromClient: 10,
          bytesToClient: 20,
        },
        {
          id: 1,
          client: '192.0.2.1',
          listener: '0.0.0.0:5432',
          node: 'node1',
          phase: 'relaying',
          since: '2026-01-01T00:00:09.000Z',
          bytesFromClient: 10,
          bytesToClient: 20,
        },
      ],
      clients: [
        { client: '192.0.2.1', sessions: 1 },
        { client: '203.0.113.7', sessions: 1 },
      ],
    })
  })

  it('is bounded, oldest first, and still says how many there are', () => {
    const sessions = Array.from({ length: 300 }, (_, index) =>
      sessionOf({ client: `10.0.0.${index % 30}`, acceptedAt: 9_000 - index }),
    )
    const shown = list(sessions, { limit: 2 })
    expect([shown.total, shown.sessions.length, shown.clients.length]).toEqual([300, 2, 20])
    expect(shown.sessions[0]?.since).toBe('2026-01-01T00:00:08.701Z')
    expect(shown.clients[0]).toEqual({ client: '10.0.0.0', sessions: 10 })
  })

  it('can be of one client or one node', () => {
    const sessions = [sessionOf({}), sessionOf({ client: '[local]' }), sessionOf({ node: 'node2' })]
    expect(list(sessions, { client: '[local]' }).total).toBe(1)
    expect(list(sessions, { node: 'node1' }).total).toBe(2)
    expect(list(sessions, { node: 'node3' })).toEqual({ total: 0, sessions: [], clients: [] })
  })
})

describe('the question for it', () => {
  it('has defaults', () => {
    expect(readSessionQuery(new URLSearchParams(''))).toEqual({ limit: 100, client: null, node: null })
    expect(readSessionQuery(new URLSearchParams('limit=1000&client=::1&node=node1'))).toEqual({
      limit: 1000,
      client: '::1',
      node: 'node1',
    })
  })

  it.each(['limit=1001', 'limit=-1', 'limit=all', 'limit=', 'limit=1e3', 'limit=99999'])(
    'is refused with %s',
    (query) => {
      expect(readSessionQuery(new URLSearchParams(query))).toBeNull()
    },
  )
})
