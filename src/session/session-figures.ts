/**
 * How many sessions there are where, and how many bytes they have moved: counted when somebody asks, out of the sessions
 * that are there. Pure session layer; it keeps nothing.
 */
import type { SessionPhase } from './session-state.ts'

/** Bytes on clients' sockets. `toClient` counts what was handed to the socket, sent or not. */
export interface Traffic {
  readonly fromClient: number
  readonly toClient: number
}

/** What is looked at of a session. */
export interface CountedSession {
  /** The listener's address as in the configuration. */
  readonly listener: string
  readonly node: string | null
  readonly phase: SessionPhase
  readonly traffic: Traffic
}

/** Sessions of one listener on one node; `node` is `null` for those that greet or linger. Held ones are not in it. */
export interface SessionCount {
  readonly listener: string
  readonly node: string | null
  readonly count: number
}

export interface SessionFigures {
  readonly active: readonly SessionCount[]
  /** By listener; listeners without held sessions are left out. */
  readonly held: ReadonlyMap<string, number>
  /** Of all sessions since the start of the process. */
  readonly traffic: Traffic
}

/** Counts in one walk. `endedTraffic`: of the sessions that are no more. */
export function countSessions(sessions: Iterable<CountedSession>, endedTraffic: Traffic): SessionFigures {
  const active = new Map<string, Map<string | null, number>>()
  const held = new Map<string, number>()
  let { fromClient, toClient } = endedTraffic
  for (const { listener, node, phase, traffic } of sessions) {
    fromClient += traffic.fromClient
    toClient += traffic.toClient
    if (phase === 'held') {
      held.set(listener, (held.get(listener) ?? 0) + 1)
      continue
    }
    const byNode = active.get(listener) ?? new Map<string | null, number>()
    active.set(listener, byNode.set(node, (byNode.get(node) ?? 0) + 1))
  }
  return {
    active: [...active].flatMap(([listener, byNode]) =>
      [...byNode].map(([node, count]) => ({ listener, node, count })),
    ),
    held,
    traffic: { fromClient, toClient },
  }
}
