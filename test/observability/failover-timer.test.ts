import { describe, expect, it } from 'vitest'
import { FailoverTimer } from '../../src/observability/failover-timer.ts'
import { type Epoch, initialState } from '../../src/topology/topology-state.ts'
import { decide } from '../net/decision-builder.ts'
import { PINNED } from '../topology/scenario.ts'

function epochOf(node: string, timelineId: number): Epoch {
  return { systemIdentifier: PINNED, timelineId, node, at: '2026-01-01T00:00:00.000Z' }
}

/** A timer that has seen node1 serve, with a proof at 100. */
function afterServing(): FailoverTimer {
  const timer = new FailoverTimer()
  timer.takeDecision(decide({ primary: 'node1', at: 100 }), initialState(epochOf('node1', 1), [], 0))
  return timer
}

describe('FailoverTimer', () => {
  it('measures from the last proof of the primary that is replaced', () => {
    expect(afterServing().takeAcceptance(epochOf('node2', 2), 2100, false)).toEqual({ sinceProofMs: 2000 })
  })

  it('knows no time when the primary that is replaced was accepted and never proven', () => {
    const timer = afterServing()
    timer.takeAcceptance(epochOf('node2', 2), 2100, false)
    timer.takeDecision(decide({ primary: null, at: 0 }), initialState(epochOf('node2', 2), [], 0))

    expect(timer.takeAcceptance(epochOf('node3', 3), 5100, false)).toEqual({ sinceProofMs: null })
  })

  it('takes a higher timeline of the same node for no change', () => {
    expect(afterServing().takeAcceptance(epochOf('node1', 2), 2100, true)).toBeNull()
  })

  it('measures to the first session once, on the node that was awaited only', () => {
    const timer = afterServing()
    timer.takeAcceptance(epochOf('node2', 2), 2100, true)
    expect([timer.takeFirstRouted('node2', 2105), timer.takeFirstRouted('node2', 9000)]).toEqual([5, null])
    timer.takeAcceptance(epochOf('node3', 3), 9100, true)

    expect(timer.takeFirstRouted('node2', 9200)).toBeNull()
  })
})
