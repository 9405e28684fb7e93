/**
 * (decision, what the listener wants) -> a node, or hold, or refuse. The only place that turns a decision into a
 * destination.
 */
import type { Decision, NodeVerdict } from './topology-state.ts'

export interface RouteRequest {
  readonly route: 'primary' | 'standby' | 'any'
  /** Where `route: standby` goes when no standby qualifies. */
  readonly fallback: 'primary' | 'none'
  readonly balance: 'least-sessions' | 'round-robin'
  /** Standbys that lag more are left out; `null` for no limit. An unknown lag counts as too much when there is a limit. */
  readonly maxLagBytes: number | null
}

export interface RouteContext {
  /** `null` before the first decision. */
  readonly decision: Decision | null
  readonly now: number
  readonly decisionTtlMs: number
  /** Nodes that refused a dial at that moment (monotonic ms): only a proof asked for later clears them. */
  readonly doubtedAt: ReadonlyMap<string, number>
  readonly sessionCount: (node: string) => number
  /** Rises by one with every session that is routed for this request; round-robin's memory. */
  readonly turn: number
}

export type Routing =
  | { readonly kind: 'node'; readonly node: string; readonly access: 'write' | 'read' }
  | { readonly kind: 'hold' }
  | { readonly kind: 'refuse' }

const HOLD: Routing = { kind: 'hold' }

export function routeSession(request: RouteRequest, context: RouteContext): Routing {
  switch (request.route) {
    case 'primary':
      return routeToPrimary(context)
    case 'standby': {
      const standby = chooseStandby(request, context)
      if (standby !== null) return { kind: 'node', node: standby, access: 'read' }
      if (request.fallback === 'primary') return routeToPrimary(context)
      // Without a decision that holds now, nobody knows that there is no standby.
      return isFresh(context) ? { kind: 'refuse' } : HOLD
    }
    case 'any': {
      const standby = chooseStandby(request, context)
      return standby === null ? routeToPrimary(context) : { kind: 'node', node: standby, access: 'read' }
    }
    default: {
      const unhandled: never = request.route
      return unhandled
    }
  }
}

function routeToPrimary(context: RouteContext): Routing {
  const primary = context.decision?.primary ?? null
  if (primary === null || !isFresh(context)) return HOLD
  const doubtedAt = context.doubtedAt.get(primary)
  if (doubtedAt !== undefined && (context.decision?.provenAt ?? 0) <= doubtedAt) return HOLD
  return { kind: 'node', node: primary, access: 'write' }
}

/** A decision that was not renewed in time says nothing any more: this process may have been frozen. */
export function isFresh({
  decision,
  now,
  decisionTtlMs,
}: Pick<RouteContext, 'decision' | 'now' | 'decisionTtlMs'>): boolean {
  return decision !== null && now - decision.provenAt <= decisionTtlMs
}

function chooseStandby(request: RouteRequest, context: RouteContext): string | null {
  const { decision, now, decisionTtlMs, sessionCount, turn } = context
  const usable: string[] = []
  for (const [name, verdict] of decision?.nodes ?? []) {
    // A standby's own proof counts: reads go on while there is no primary.
    if (!verdict.readable || now - verdict.readProvenAt > decisionTtlMs || context.doubtedAt.has(name)) continue
    const lag = verdict.replayLagBytes
    if (request.maxLagBytes !== null && (lag === null || lag > request.maxLagBytes)) continue
    usable.push(name)
  }
  if (usable.length === 0) return null
  if (request.balance === 'round-robin') return usable[turn % usable.length] ?? null
  return usable.reduce((best, name) => (sessionCount(name) < sessionCount(best) ? name : best))
}

/**
 * Nodes that a CancelRequest with an unknown key may be for: all on which the decision lets a session of such a listener
 * live, whether anybody new is routed there or not, and whichever proxy has routed it. Where all sessions have ended (a
 * node that is fenced, say) there is nothing to cancel.
 */
export function cancelTargets({ route }: Pick<RouteRequest, 'route'>, decision: Decision | null): string[] {
  const mayHaveSessions = ({ role, writeSessions, readSessions }: NodeVerdict): boolean =>
    writeSessions.kind === 'keep' || (route !== 'primary' && role !== 'witness' && readSessions.kind === 'keep')
  return [...(decision?.nodes ?? [])].filter(([, verdict]) => mayHaveSessions(verdict)).map(([name]) => name)
}
