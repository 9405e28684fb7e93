/**
 * Every path of the admin server: which methods it has, and who answers. Part of the admin server. A new one is one entry
 * in `createRoutes`; one that streams answers with `kind: 'stream'` and is told when the client has gone or the server
 * closes.
 */
import { type FailoverList, type FailoverQuery, readFailoverQuery } from '../observability/failover-list.ts'
import type { MetricsPage } from '../observability/metrics.ts'
import type { Glance } from '../observability/session-history.ts'
import { readSessionQuery, type SessionList, type SessionQuery } from '../observability/session-list.ts'
import type { Status } from '../observability/status.ts'
import type { OrderResult } from '../probe/health-loop.ts'
import { type Answer, json, problem } from './answer.ts'
import type { LiveFeed } from './live-feed.ts'
import type { NotificationDesk } from './notification-desk.ts'
import { type GivenOrder, ORDERS } from './order.ts'
import type { OrderDesk } from './order-desk.ts'
import { PAGE_FILES, pageFile } from './page-files.ts'
import { PATRONI_PATHS, patroniRoute, type RoutingView } from './patroni-endpoints.ts'
import type { Body } from './request-body.ts'

/** What the admin server asks of the proxy. */
export interface AdminActions {
  /** What of the status is cheap to have. */
  readonly glance: () => Glance
  /** Has what `status` says of sessions brought up to date; left out: it always is. */
  readonly refresh?: () => Promise<void>
  readonly status: () => Status
  readonly sessions: (query: SessionQuery) => SessionList | Promise<SessionList>
  readonly failovers: (query: FailoverQuery) => FailoverList
  /** True when a primary is proven and the listeners are open. */
  readonly isReady: () => boolean
  readonly routing: () => RoutingView
  readonly metrics: () => Promise<MetricsPage>
  /** Only with `--observe`: what was seen so far. */
  readonly observation?: () => unknown
  readonly carryOut: (given: GivenOrder) => Promise<OrderResult>
  /** Has every node asked now, and often for a while. */
  readonly hurry: () => void
}

/** A request as routes see it. It has passed the guard. */
export interface AdminRequest {
  readonly parameters: URLSearchParams
  /** Its address; `[local]` for one that came by the Unix socket. */
  readonly client: string
  /** The header of this name. */
  readonly authorization: string | undefined
  readonly readBody: () => Promise<Body>
}

export type AdminMethod = 'GET' | 'HEAD' | 'OPTIONS' | 'POST'

export interface AdminRoute {
  readonly methods: readonly AdminMethod[]
  /** The same for everybody: nothing of the proxy is in it. Browsers name the origin even to itself when a page asks for a module. */
  readonly isStatic?: true
  readonly answer: (request: AdminRequest) => Answer | Promise<Answer>
}

/** By path, each as it must be written: nothing is decoded, no slash is added or taken away. */
export type AdminRoutes = ReadonlyMap<string, AdminRoute>

/** Who answers what cannot be answered from the actions alone. */
export interface RouteDesks {
  readonly orders: OrderDesk
  readonly notifications: NotificationDesk
  readonly feed: LiveFeed
}

export function createRoutes(actions: AdminActions, { orders, notifications, feed }: RouteDesks): AdminRoutes {
  const { observation } = actions
  const questions: Readonly<Record<string, AdminRoute['answer']>> = {
    '/livez': () => json(200, { live: true }),
    '/readyz': () => readiness(actions),
    '/api/status': () => status(actions),
    '/api/sessions': ({ parameters }) => sessions(actions, parameters),
    '/api/failovers': ({ parameters }) => failovers(actions, parameters),
    '/api/events': () => feed.answer(),
    '/metrics': () => metrics(actions),
    ...(observation === undefined ? {} : { '/api/observation': () => json(200, observation()) }),
  }
  return new Map<string, AdminRoute>([
    ...Object.entries(questions).map(
      ([path, answer]) => [path, { methods: ['GET', 'HEAD'], answer }] satisfies [string, AdminRoute],
    ),
    ...Object.entries(PAGE_FILES).map(
      ([path, name]) =>
        [path, { methods: ['GET', 'HEAD'], isStatic: true, answer: () => pageFile(name) }] satisfies [
          string,
          AdminRoute,
        ],
    ),
    ...ORDERS.map(
      (name) =>
        [`/api/${name}`, { methods: ['POST'], answer: (request) => orders.take(name, request) }] satisfies [
          string,
          AdminRoute,
        ],
    ),
    ['/api/notify', { methods: ['POST'], answer: (request) => notifications.take(request) }],
    ...PATRONI_PATHS.map((path) => [path, patroniRoute(path, actions)] satisfies [string, AdminRoute]),
  ])
}

function readiness({ isReady, status }: AdminActions): Answer {
  const ready = isReady()
  const { state, reason, primary } = status()
  return json(ready ? 200 : 503, { ready, state, primary, reason })
}

async function status(actions: AdminActions): Promise<Answer> {
  await actions.refresh?.()
  return json(200, actions.status())
}

async function sessions(actions: AdminActions, parameters: URLSearchParams): Promise<Answer> {
  const query = readSessionQuery(parameters)
  if (query === null) return problem(400, 'limit must be a whole number, 0 to 1000')
  return json(200, await actions.sessions(query))
}

function failovers(actions: AdminActions, parameters: URLSearchParams): Answer {
  const query = readFailoverQuery(parameters)
  if (query === null) return problem(400, 'limit must be a whole number, 0 to 100')
  return json(200, actions.failovers(query))
}

async function metrics(actions: AdminActions): Promise<Answer> {
  const { contentType, text } = await actions.metrics()
  return { kind: 'whole', statusCode: 200, contentType, body: text }
}
