import { describe, expect, it } from 'vitest'
import { buildStatus } from '../../src/observability/status.ts'
import { initialState } from '../../src/topology/topology-state.ts'
import { statusAfter } from '../cli/status/statuses.ts'
import { member, PINNED, POLICY } from '../topology/scenario.ts'

describe('the status', () => {
  it('has the rule that decided, what would change it, and the epoch on disk', () => {
    expect(statusAfter({ epoch: '3 node2', turns: [['P1+', 'R', 'S?']] })).toMatchObject({
      state: 'no-primary',
      rule: 'incumbent-missing',
      reason: expect.stringContaining('node1 claims the older timeline 1 and is not believed'),
      outlook: [
        'node2 answering as primary on timeline 3 or above serves again at once.',
        expect.stringMatching(/^node3 takes over by answering as primary on a timeline above 3/),
        expect.stringContaining('`pgha-proxy accept node1`'),
      ],
      primary: null,
      incumbent: 'node2',
      epoch: { node: 'node2', timelineId: 3, systemIdentifier: PINNED },
    })
  })

  it('has each node’s evidence beside its role', () => {
    const { nodes } = statusAfter({ epoch: '3 node2', turns: [['P1+', 'R', 'S?']] })
    expect(nodes).toMatchObject([
      {
        name: 'node1',
        role: 'stale-primary',
        standing: 'claims to be primary on timeline 1',
        claim: { timelineId: 1, confirmed: true, against: 'below', latched: false, graceLeftMs: null },
        votesFor: 'node1',
        repmgr: 'rows',
        failing: null,
        readable: false,
        endsSessions: 'is a stale primary on an older timeline',
      },
      {
        name: 'node2',
        role: 'unreachable',
        claim: null,
        failing: { failure: 'refused', count: 1 },
        endsSessions: null,
      },
      { name: 'node3', role: 'standby', standing: 'is a standby', votesFor: null, repmgr: 'absent' },
    ])
  })

  it('says before the first decision that nothing is known', () => {
    const status = buildStatus({
      decision: null,
      state: initialState(null, [], 0),
      members: [member('node1')],
      evidence: new Map(),
      policy: POLICY,
      sessionCountOn: () => 0,
      sessions: statusAfter({ turns: [['S?']] }).sessions,
      listeners: [],
      isDraining: false,
      version: '1.2.3',
      startedAt: 0,
      now: 10,
      wallTime: new Date(0),
    })
    expect(status).toMatchObject({
      rule: null,
      outlook: [],
      epoch: null,
      nodes: [{ standing: 'has not been probed yet' }],
    })
  })
})
