/**
 * What `GET /api/sessions` answers: who is connected, from where, to which node. Pure functions of the sessions that are
 * there: each process picks its own, and they are listed together. No user, no database, no query: the proxy does not read them.
 */
import type { CountedSession } from '../session/session-figures.ts'
import type { SessionPhase } from '../session/session-state.ts'

/** Sessions in one answer unless asked otherwise, and at most. */
export const SESSIONS_SHOWN = 100
export const SESSIONS_SHOWN_MAX = 1_000
/** Addresses with the most sessions. */
const CLIENTS_SHOWN = 20

/** What is looked at of a session. */
export interface ListedSession extends CountedSession {
  /** As in the log. */
  readonly id: number
  /** `[local]` for a Unix socket; `null` while a PROXY header is awaited. */
  readonly client: string | null
  /** Who has really connected: the load balancer, where there is one. */
  readonly peer: string
  /** On the clock of `now`. */
  readonly acceptedAt: number
  /** The worker process that has it, counted from 1; left out where there are none. */
  readonly worker?: number
}

export interface SessionView {
  readonly id: number
  /** The worker process that has it; left out where there are none. */
  readonly worker?: number
  readonly client: string | null
  /** Given when the client comes by a load balancer. */
  readonly peer?: string
  readonly listener: string
  readonly node: string | null
  readonly phase: SessionPhase
  readonly since: string
  readonly bytesFromClient: number
  readonly bytesToClient: number
}

export interface SessionList {
  /** That match what was asked for. */
  readonly total: number
  /** Oldest first; at most as many as asked for. */
  readonly sessions: readonly SessionView[]
  /** Addresses of those that match with the most sessions, most first; at most 20. */
  readonly clients: readonly { readonly client: string; readonly sessions: number }[]
}

export interface SessionQuery {
  readonly limit: number
  /** `null`: of any. */
  readonly client: string | null
  readonly node: string | null
}

/** Reads `?limit=…&client=…&node=…`; `null` when the limit is no whole number of 0 to 1,000. */
export function readSessionQuery(parameters: URLSearchParams): SessionQuery | null {
  const limit = parameters.get('limit') ?? String(SESSIONS_SHOWN)
  if (!/^\d{1,4}$/.test(limit) || Number(limit) > SESSIONS_SHOWN_MAX) return null
  return { limit: Number(limit), client: parameters.get('client'), node: parameters.get('node') }
}

/** What one process has found among its sessions. */
export interface PickedSessions {
  readonly total: number
  /** The oldest, as many as asked for; plain data. */
  readonly oldest: readonly ListedSession[]
  /** Of all that match, by address. */
  readonly clients: ReadonlyMap<string, number>
}

export function pickSessions(
  sessions: Iterable<ListedSession>,
  query: SessionQuery,
  worker: number | null = null,
): PickedSessions {
  const found = [...sessions].filter(
    ({ client, node }) =>
      (query.client === null || client === query.client) && (query.node === null || node === query.node),
  )
  const clients = new Map<string, number>()
  for (const { client } of found) if (client !== null) clients.set(client, (clients.get(client) ?? 0) + 1)
  const oldest = found.sort((a, b) => a.acceptedAt - b.acceptedAt).slice(0, query.limit)
  return { total: found.length, oldest: oldest.map((session) => plain(session, worker)), clients }
}

function plain(session: ListedSession, worker: number | null): ListedSession {
  const { id, client, peer, listener, node, phase, traffic, acceptedAt } = session
  return { id, client, peer, listener, node, phase, traffic, acceptedAt, ...(worker === null ? {} : { worker }) }
}

/** One list of what all processes have found. */
export function listSessions(
  picked: readonly PickedSessions[],
  query: SessionQuery,
  { now, wallTime }: { readonly now: number; readonly wallTime: Date },
): SessionList {
  const counts = new Map<string, number>()
  for (const { clients } of picked)
    for (const [client, count] of clients) counts.set(client, (counts.get(client) ?? 0) + count)
  return {
    total: picked.reduce((sum, { total }) => sum + total, 0),
    sessions: picked
      .flatMap(({ oldest }) => oldest)
      .sort((a, b) => a.acceptedAt - b.acceptedAt)
      .slice(0, query.limit)
      .map((session) => view(session, new Date(wallTime.getTime() - (now - session.acceptedAt)))),
    clients: [...counts]
      .map(([client, count]) => ({ client, sessions: count }))
      .sort((a, b) => b.sessions - a.sessions || a.client.localeCompare(b.client))
      .slice(0, CLIENTS_SHOWN),
  }
}

function view({ id, worker, client, peer, listener, node, phase, traffic }: ListedSession, since: Date): SessionView {
  return {
    id,
    ...(worker === undefined ? {} : { worker }),
    client,
    ...(client === peer ? {} : { peer }),
    listener,
    node,
    phase,
    since: since.toISOString(),
    bytesFromClient: traffic.fromClient,
    bytesToClient: traffic.toClient,
  }
}
