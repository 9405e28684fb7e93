/**
 * What a decision means for one session that is on a node, or on its way there. Pure. Fence on proof, hold on doubt: a
 * session that nobody has noticed yet may be moved for a doubt, a running one is ended by proof alone.
 */
import type { Decision } from './topology-state.ts'

export interface PlacedSession {
  readonly node: string
  /** `write` for sessions of the primary, `read` for those that were routed to a standby. */
  readonly access: 'write' | 'read'
  /** It can still go elsewhere without the client noticing. */
  readonly isMovable: boolean
  /** What its listener wants when its standby is promoted. */
  readonly onPromotion: 'keep' | 'end'
}

export type SessionFate =
  /** It stays; `access` is what it counts as from now on. */
  | { readonly kind: 'keep'; readonly access: 'write' | 'read' }
  /** It must leave the node: moved if it can be, ended otherwise. `why` completes "node1 …". */
  | { readonly kind: 'leave'; readonly why: string }
  /** Nothing is proven, but there is no reason to wait here. */
  | { readonly kind: 'move' }

export function judgeSession(session: PlacedSession, decision: Decision): SessionFate {
  const { node, isMovable } = session
  // Whoever is on a standby when it is promoted stays, and counts as one who may write from then on.
  const isPromoted = session.access === 'read' && decision.primary === node
  if (isPromoted && session.onPromotion === 'end') return { kind: 'leave', why: 'was promoted' }
  const access = isPromoted ? 'write' : session.access
  const verdict = decision.nodes.get(node)
  if (verdict === undefined) return { kind: 'leave', why: 'is no longer among the nodes' }
  const sessions = access === 'write' ? verdict.writeSessions : verdict.readSessions
  if (sessions.kind === 'end') return { kind: 'leave', why: sessions.why }
  const isInDoubt = access === 'write' ? decision.primary !== node : !verdict.readable
  return isMovable && isInDoubt ? { kind: 'move' } : { kind: 'keep', access }
}
