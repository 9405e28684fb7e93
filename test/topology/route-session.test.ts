import { describe, expect, it } from 'vitest'
import { cancelTargets, type RouteContext, type RouteRequest, routeSession } from '../../src/topology/route-session.ts'
import type { NodeVerdict } from '../../src/topology/topology-state.ts'
import { Scenario } from './scenario.ts'

const PRIMARY: RouteRequest = { route: 'primary', fallback: 'none', balance: 'least-sessions', maxLagBytes: null }
const STANDBY: RouteRequest = { ...PRIMARY, route: 'standby' }

function context(says: readonly string[], changes: Partial<RouteContext> = {}): RouteContext {
  const scenario = new Scenario({ nodes: says.length, epoch: '1 node1' }).turn(says)
  return {
    decision: scenario.decision,
    now: scenario.now,
    decisionTtlMs: 5000,
    doubtedAt: new Map(),
    sessionCount: () => 0,
    turn: 0,
    ...changes,
  }
}

const HEALTHY = ['P1+', 'S1<node1', 'S1<node1']

describe('a primary listener', () => {
  it('goes to the primary', () => {
    expect(routeSession(PRIMARY, context(HEALTHY))).toEqual({ kind: 'node', node: 'node1', access: 'write' })
  })

  it('holds before the first decision and while there is no primary', () => {
    expect(routeSession(PRIMARY, { ...context(HEALTHY), decision: null })).toEqual({ kind: 'hold' })
    expect(routeSession(PRIMARY, context(['R', 'S?', 'S?']))).toEqual({ kind: 'hold' })
  })

  it('holds when the decision was not renewed in time', () => {
    const stale = context(HEALTHY)
    expect(routeSession(PRIMARY, { ...stale, now: stale.now + 5000 }).kind).toBe('node')
    expect(routeSession(PRIMARY, { ...stale, now: stale.now + 5001 })).toEqual({ kind: 'hold' })
  })

  it('holds after a failed dial until a proof that was asked for later', () => {
    const fresh = context(HEALTHY)
    const doubt = (at: number): RouteContext => ({ ...fresh, doubtedAt: new Map([['node1', at]]) })
    expect(routeSession(PRIMARY, doubt(fresh.now))).toEqual({ kind: 'hold' })
    expect(routeSession(PRIMARY, doubt(fresh.now - 1)).kind).toBe('node')
  })
})

describe('a standby listener', () => {
  it('takes the standby with the fewest sessions', () => {
    const counts = new Map([['node2', 3]])
    const routed = routeSession(STANDBY, context(HEALTHY, { sessionCount: (node) => counts.get(node) ?? 0 }))
    expect(routed).toEqual({ kind: 'node', node: 'node3', access: 'read' })
  })

  it('takes turns with round-robin', () => {
    const request: RouteRequest = { ...STANDBY, balance: 'round-robin' }
    const nodes = [0, 1, 2].map((turn) => routeSession(request, context(HEALTHY, { turn })))
    expect(nodes.map((routed) => (routed.kind === 'node' ? routed.node : null))).toEqual(['node2', 'node3', 'node2'])
  })

  it('leaves out standbys beyond the lag limit, and those whose lag is unknown', () => {
    expect(routeSession({ ...STANDBY, maxLagBytes: 0x5f }, context(HEALTHY))).toEqual({ kind: 'refuse' })
    expect(routeSession({ ...STANDBY, maxLagBytes: 0x60 }, context(HEALTHY)).kind).toBe('node')
    const unknown = context(HEALTHY)
    const nodes = new Map(unknown.decision?.nodes)
    for (const [name, verdict] of nodes) nodes.set(name, { ...verdict, replayLagBytes: null } satisfies NodeVerdict)
    const decision = unknown.decision === null ? null : { ...unknown.decision, nodes }
    expect(routeSession({ ...STANDBY, maxLagBytes: 0x60 }, { ...unknown, decision })).toEqual({ kind: 'refuse' })
  })

  it('falls back to the primary when told to, and refuses otherwise', () => {
    const alone = context(['P1+', 'R', 'R'])
    expect(routeSession({ ...STANDBY, fallback: 'primary' }, alone)).toEqual({
      kind: 'node',
      node: 'node1',
      access: 'write',
    })
    expect(routeSession(STANDBY, alone)).toEqual({ kind: 'refuse' })
  })

  it('holds rather than refuses while nothing is decided', () => {
    expect(routeSession(STANDBY, { ...context(HEALTHY), decision: null })).toEqual({ kind: 'hold' })
  })
})

describe('a cancel request with an unknown key', () => {
  const targets = (route: RouteRequest['route'], scenario: Scenario) => cancelTargets({ route }, scenario.decision)
  const cluster = (options: { readonly fenced?: string[] } = {}) =>
    new Scenario({ nodes: 4, epoch: '1 node1', ...options }).turn(['P1+', 'S1<node1', 'S1<node1', 'W'])

  it('goes to the primary alone from a primary listener, and to all that may have its session from the others', () => {
    expect(targets('primary', cluster())).toEqual(['node1'])
    expect(targets('standby', cluster())).toEqual(['node1', 'node2', 'node3'])
    expect(targets('any', cluster())).toEqual(['node1', 'node2', 'node3'])
  })

  it('goes where sessions run on in doubt, though nobody new is routed there', () => {
    const inDoubt = cluster().repeat(['T', 'S1<node1', 'S1<node1', 'W'], 1000)
    expect(inDoubt.verdict).toBe('uncertain')
    expect(targets('primary', inDoubt)).toEqual(['node1'])
  })

  it('goes to a standby that has left the rotation and keeps its sessions', () => {
    const left = cluster().turn(['P1+', 'S1<node1', 'S?', 'W'])
    expect(left.decision?.nodes.get('node3')?.readable).toBe(false)
    expect(targets('standby', left)).toEqual(['node1', 'node2', 'node3'])
  })

  it('goes to no node whose sessions were ended: one that is fenced, or no longer listens, or was the primary', () => {
    expect(targets('standby', cluster({ fenced: ['node2'] }))).toEqual(['node1', 'node3'])
    expect(targets('primary', cluster({ fenced: ['node1'] }))).toEqual([])
    expect(targets('primary', cluster().repeat(['R', 'S?', 'S?', 'W'], 1000))).toEqual([])
    expect(targets('primary', cluster().turn(['P1+', 'P2+', 'S?', 'W']).repeat(['R', 'P2+', 'S?', 'W'], 3000))).toEqual(
      ['node2'],
    )
  })

  it('goes nowhere before the first decision', () => {
    expect(cancelTargets({ route: 'primary' }, null)).toEqual([])
  })
})
