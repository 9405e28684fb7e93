/**
 * Decisions as sessions and admission see them, made by hand: what they do with one is tested apart from how it comes
 * about. Test support.
 */
import type { Decision, NodeVerdict } from '../../src/topology/topology-state.ts'

export interface DecisionSketch {
  /** `null`: hold. */
  readonly primary: string | null
  /** When the proof for it was asked for. */
  readonly at: number
  readonly standbys?: readonly string[]
  /** Standbys that are out of sight: their sessions stay, new ones do not come. */
  readonly unreadable?: readonly string[]
  /** Nodes whose write sessions end, for the reason of being a standby. */
  readonly ending?: readonly string[]
  /** Nodes that an operator has fenced: all their sessions end. */
  readonly fenced?: readonly string[]
  /** Nodes of which nothing is proven: sessions stay. */
  readonly silent?: readonly string[]
  readonly reason?: string
}

export function decide(sketch: DecisionSketch): Decision {
  const { primary, at, standbys = [], unreadable = [], ending = [], fenced = [], silent = [] } = sketch
  const nodes = new Map<string, NodeVerdict>()
  if (primary !== null) nodes.set(primary, verdict('primary'))
  for (const name of standbys)
    nodes.set(name, { ...verdict('standby', 'is standby'), readable: true, readProvenAt: at, replayLagBytes: 0 })
  for (const name of unreadable) nodes.set(name, verdict('unreachable'))
  for (const name of ending) nodes.set(name, verdict('standby', 'is standby'))
  for (const name of silent) nodes.set(name, verdict('unreachable'))
  for (const name of fenced) {
    const end = { kind: 'end', why: 'is fenced by an operator' } as const
    nodes.set(name, { ...verdict('fenced'), writeSessions: end, readSessions: end })
  }
  return {
    kind: primary === null ? 'uncertain' : 'serving',
    rule: primary === null ? 'incumbent-missing' : 'incumbent-serves',
    reason: sketch.reason ?? (primary === null ? 'nobody is primary' : `${primary} is primary`),
    primary,
    provenAt: primary === null ? Number.NEGATIVE_INFINITY : at,
    accept: null,
    nodes,
    warnings: [],
    pace: 'fast',
  }
}

function verdict(role: NodeVerdict['role'], endsWrites?: string): NodeVerdict {
  return {
    role,
    writeSessions: endsWrites === undefined ? { kind: 'keep' } : { kind: 'end', why: endsWrites },
    readSessions: { kind: 'keep' },
    readable: false,
    readProvenAt: Number.NEGATIVE_INFINITY,
    replayLagBytes: null,
    problem: null,
  }
}
