/**
 * Health checks under Patroni's names and with Patroni's codes, so that the checks of a load balancer that asked Patroni
 * can ask the proxy. Part of the admin server. Patroni answers for its node; the proxy answers for itself: 200 when a new
 * session that comes here now is routed to such a node. What each one means for a proxy is a table in docs/admin.md.
 */
import type { Status } from '../observability/status.ts'
import { type Answer, json, problem } from './answer.ts'
import type { AdminRequest, AdminRoute } from './routes.ts'

/** What becomes of a new session that comes now: it gets a node, waits for one, or is refused. */
export const OUTLOOKS = ['routed', 'held', 'refused'] as const
export type Outlook = (typeof OUTLOOKS)[number]

/** What becomes of new sessions, by where they are for. `refused` also when no listener here is for such sessions. */
export interface RoutingView {
  /** To the primary. */
  readonly primary: Outlook
  /** To a standby that lags at most so many bytes, and no more than the listener allows; `null`: only that. */
  readonly standby: (lagBytesMax: number | null) => Outlook
  /** On any listener: the best that can be said. */
  readonly overall: Outlook
}

interface Asked {
  readonly routing: () => RoutingView
  readonly status: () => Status
  readonly isReady: () => boolean
}

type Check = (asked: Asked, lagBytesMax: number | null) => boolean

const CHECKS = {
  '/primary': ({ routing }) => routing().primary === 'routed',
  '/master': ({ routing }) => routing().primary === 'routed',
  '/leader': ({ routing }) => routing().primary === 'routed',
  '/read-write': ({ routing }) => routing().primary === 'routed',
  '/replica': ({ routing }, lagBytesMax) => routing().standby(lagBytesMax) === 'routed',
  '/read-only': ({ routing }, lagBytesMax) => {
    const { primary, standby } = routing()
    return primary === 'routed' || standby(lagBytesMax) === 'routed'
  },
  '/health': ({ routing }) => routing().overall !== 'refused',
  '/liveness': () => true,
  '/readiness': ({ isReady }) => isReady(),
} as const satisfies Readonly<Record<string, Check>>

type PatroniPath = keyof typeof CHECKS

export const PATRONI_PATHS = Object.keys(CHECKS) as readonly PatroniPath[]

/** OPTIONS is what HAProxy's checks send by default: as in Patroni it gets the code alone. */
export function patroniRoute(path: PatroniPath, asked: Asked): AdminRoute {
  return {
    methods: ['GET', 'HEAD', 'OPTIONS'],
    answer: ({ parameters }: AdminRequest): Answer => {
      const lag = parameters.get('lag')
      const lagBytesMax = lag === null ? null : readLag(lag)
      if (lag !== null && lagBytesMax === null) {
        return problem(400, 'lag must be bytes, or a number with its unit: 16MB, 16MiB')
      }
      const check: Check = CHECKS[path]
      return json(check(asked, lagBytesMax) ? 200 : 503, describe(asked))
    },
  }
}

/** Patroni's names where the proxy has the same to say, and its own words under `pgha_proxy`. */
function describe({ routing, status }: Asked): unknown {
  const { state, reason, primary, timelineId, systemIdentifier, draining } = status()
  const view = routing()
  const standby = view.standby(null)
  return {
    state: draining ? 'stopping' : 'running',
    role: view.primary === 'routed' ? 'primary' : standby === 'routed' ? 'replica' : null,
    timeline: timelineId,
    database_system_identifier: systemIdentifier,
    pgha_proxy: { state, reason, primary, sessions: { primary: view.primary, standby } },
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** As in Patroni and PostgreSQL, a MB is 1024 kB. */
function readLag(text: string): number | null {
  const [, amount, unit = ''] = /^(\d{1,15})\s?(|b|[kmgt]i?b)$/i.exec(text) ?? []
  const factor = UNITS[unit.slice(0, 1).toLowerCase()]
  return amount === undefined || factor === undefined ? null : Number(amount) * factor
}
