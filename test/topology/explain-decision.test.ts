import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideTopology } from '../../src/topology/decide-topology.ts'
import { explainDecision } from '../../src/topology/explain-decision.ts'
import { explainNodes } from '../../src/topology/explain-node.ts'
import { RULES } from '../../src/topology/rules.ts'
import type { DecisionInput } from '../../src/topology/situation.ts'
import type { Decision } from '../../src/topology/topology-state.ts'
import { Scenario } from './scenario.ts'

type Rounds = readonly (readonly [readonly string[], number])[]

interface Case {
  readonly rule: string
  readonly what: string
  readonly epoch?: string
  readonly fenced?: string[]
  readonly majority?: boolean
  /** [what the nodes say, for how many ms]; the last is what is explained. */
  readonly rounds: Rounds
  readonly says: readonly string[]
  readonly not?: readonly string[]
  /** What comes about when the fact that was named comes about. */
  readonly afterwards?: { readonly rounds: Rounds; readonly verdict: string }
}

const HEALTHY = ['P1+', 'S1<node1', 'S1<node1']

const CASES: readonly Case[] = [
  {
    rule: 'first-look',
    what: 'before every node was asked',
    rounds: [[['P1+', '.', '.'], 50]],
    says: ['as soon as every node has answered, or failed to, once'],
    afterwards: { rounds: [[HEALTHY, 50]], verdict: 'serving node1' },
  },
  {
    rule: 'cold-clusters',
    what: 'nodes of two clusters',
    rounds: [[['P1+', 'X', 'S?'], 50]],
    says: ['belongs to another cluster', '`pgha-proxy accept node1` or `pgha-proxy accept node2`'],
  },
  {
    rule: 'cold-nobody',
    what: 'nobody claims',
    rounds: [[['S?', 'R', 'S?'], 50]],
    says: ['start the one that was (node2 cannot be asked now)', 'repmgr standby promote'],
    not: ['pgha-proxy accept'],
    afterwards: { rounds: [[['S?', 'P1+', 'S?'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'cold-twice',
    what: 'two on one timeline (row 15’s kind)',
    rounds: [[['P1+', 'P1-', 'S?'], 50]],
    says: ['all but one of node1 and node2 stop, or become standbys', '`pgha-proxy accept node1` or'],
    afterwards: { rounds: [[['P1+', 'S1<node1', 'S?'], 50]], verdict: 'serving node1' },
  },
  {
    rule: 'cold-unsanctioned',
    what: 'row 15: the higher one has no row that says so',
    rounds: [[['P1+', 'P2-', 'S?'], 50]],
    says: ['node2 is accepted when its own repmgr row says primary', 'or when node1 no longer claims'],
    afterwards: { rounds: [[['P1+', 'P2+', 'S?'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'cold-contradicted',
    what: 'a standby has seen a higher timeline',
    rounds: [[['P1+', 'R', 'S?3'], 50]],
    says: ['A node that answers as primary on timeline 3 or above is accepted.', '`pgha-proxy accept node1`'],
    afterwards: { rounds: [[['P1+', 'P3+', 'S?3'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'cold-contradicted',
    what: 'a witness names another one',
    rounds: [[['P1+', 'R', 'W2'], 50]],
    says: ['node1 is accepted when node3 names it as the primary', 'node2 when it answers as primary'],
    afterwards: { rounds: [[['P1+', 'R', 'W1'], 50]], verdict: 'serving node1' },
  },
  {
    rule: 'cold-too-few',
    what: 'row 11: two of three are missing',
    rounds: [[['P1+', 'T', 'R'], 50]],
    says: ['1 of 3 members more has to answer: node2 or node3.', '`pgha-proxy accept node1`'],
    afterwards: { rounds: [[['P1+', 'S1<node1', 'R'], 50]], verdict: 'serving node1' },
  },
  {
    rule: 'higher-twice',
    what: 'row 17: two promotions',
    epoch: '1 node1',
    rounds: [[['R', 'P2-', 'P2-'], 50]],
    says: ['all but one of node2 and node3 stop', '`pgha-proxy accept node2` or `pgha-proxy accept node3`'],
    afterwards: { rounds: [[['R', 'P2-', 'S2<node2'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'higher-latched',
    what: 'row 13: the incumbent outlived a claim',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['P1+', 'P2-', 'S1<node1'], 2200],
    ],
    says: ['node2 takes over when its own repmgr row says primary', 'when node2 becomes a standby', 'accept node2`'],
    afterwards: { rounds: [[['P1+', 'P2+', 'S1<node1'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'higher-latched',
    what: 'and then went',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['P1+', 'P2-', 'S1<node1'], 2200],
      [['R', 'P2-', 'S?'], 200],
    ],
    says: ['node1 serves again when it answers as primary'],
    afterwards: { rounds: [[['P1+', 'P2-', 'S1<node1'], 50]], verdict: 'split-brain node1' },
  },
  {
    rule: 'higher-grace',
    what: 'row 12: the incumbent answers',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['P1+', 'P2-', 'S1<node1'], 550],
    ],
    says: ['accepted at once when its own repmgr row says primary', 'still answers as primary in 1.5 s, it stays'],
    afterwards: { rounds: [[['P1+', 'P2-', 'S1<node1'], 1550]], verdict: 'split-brain node1' },
  },
  {
    rule: 'higher-grace',
    what: 'the incumbent is silent',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['T', 'S1<node1', 'S1<node1'], 200],
      [['T', 'P2-', 'S1<node1'], 550],
    ],
    says: ['Otherwise in 1.5 s, unless node1 answers as primary before.', '`pgha-proxy accept node2`, not to wait'],
    afterwards: { rounds: [[['T', 'P2-', 'S1<node1'], 1550]], verdict: 'serving node2' },
  },
  {
    rule: 'contested',
    what: 'row 16: the incumbent goes on',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['P1+', 'P1-', 'S1<node1'], 50],
    ],
    says: ['Sessions stay on node1. It is over when node2 stops', '`pgha-proxy accept node2`'],
    not: ['accept node1'],
    afterwards: { rounds: [[HEALTHY, 50]], verdict: 'serving node1' },
  },
  {
    rule: 'contested',
    what: 'nobody is served',
    epoch: '1 node1',
    rounds: [[['P1+', 'P1-', 'S1<node1'], 50]],
    says: ['node1 serves when node2 stops', '`pgha-proxy accept node1` or `pgha-proxy accept node2`'],
    afterwards: { rounds: [[HEALTHY, 50]], verdict: 'serving node1' },
  },
  {
    rule: 'incumbent-serves',
    what: 'row 1: what would end it',
    epoch: '1 node1',
    rounds: [[HEALTHY, 50]],
    says: [
      'refuses connections, or 3 probes in a row time out',
      'node2 or node3 takes over',
      'above 1',
      'fence node1`',
    ],
    not: ['accept'],
    afterwards: { rounds: [[['R', 'P2-', 'S?'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'incumbent-serves',
    what: 'row 2: nobody could take over',
    epoch: '1 node1',
    rounds: [[['P1+', 'R', 'R'], 50]],
    says: ['No other node could take over'],
  },
  {
    rule: 'incumbent-missing',
    what: 'row 3: killed',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['R', 'S?', 'S?'], 200],
    ],
    says: ['node1 answering as primary on timeline 1 or above', 'node2 or node3 takes over', 'repmgr standby promote'],
    not: ['pgha-proxy accept'],
    afterwards: { rounds: [[['P1+r2', 'S?', 'S?'], 50]], verdict: 'serving node1' },
  },
  {
    rule: 'incumbent-missing',
    what: 'row 10: only a stale primary is left',
    epoch: '3 node2',
    rounds: [[['P1+', 'T', 'S?'], 200]],
    not: ['node1 takes over'],
    says: [
      'node2 answering as primary on timeline 3 or above',
      '`pgha-proxy accept node1`, if node2 and what was written',
    ],
    afterwards: { rounds: [[['P1+', 'P3+', 'S?'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'incumbent-missing',
    what: 'row 23: the cluster was initialised anew',
    epoch: '1 node1',
    rounds: [[['X', 'R', 'R'], 50]],
    says: ['`pgha-proxy accept node1`, to pin the cluster of that node'],
  },
  {
    rule: 'incumbent-missing',
    what: 'fenced by an operator',
    epoch: '1 node1',
    fenced: ['node1'],
    rounds: [[HEALTHY, 50]],
    says: ['`pgha-proxy unfence node1`', 'node2 or node3 takes over'],
    not: ['accept node1', 'node1 answering'],
    afterwards: { rounds: [[['P1+', 'P2-', 'S?'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'incumbent-missing',
    what: 'row 4: silent, its standbys still say that they stream',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['T', 'S1<node1', 'S1<node1'], 200],
    ],
    says: ['node1 answering as primary on timeline 1 or above', 'node2 or node3 takes over'],
    not: ['pgha-proxy accept'],
    afterwards: { rounds: [[['T', 'P2+', 'S1<node1'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'incumbent-missing',
    what: 'row 19: shutting down',
    epoch: '1 node1',
    rounds: [
      [HEALTHY, 50],
      [['D', 'S1<node1', 'S1<node1'], 50],
    ],
    says: ['node1 answering as primary on timeline 1 or above'],
    afterwards: { rounds: [[HEALTHY, 50]], verdict: 'serving node1' },
  },
  {
    rule: 'incumbent-missing',
    what: 'row 22: the incumbent was initialised anew',
    epoch: '1 node1',
    rounds: [[['X', 'S1<node1', 'S1<node1'], 50]],
    says: ['node2 or node3 takes over', '`pgha-proxy accept node1`, to pin the cluster of that node'],
    afterwards: { rounds: [[['X', 'P2-', 'S?'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'contested',
    what: 'row 18: the incumbent and a second promotion from the same point',
    epoch: '2 node2',
    rounds: [
      [['R', 'P2+', 'S2<node2'], 50],
      [['R', 'P2+', 'P2-'], 50],
    ],
    says: ['Sessions stay on node2. It is over when node3 stops, or becomes a standby', '`pgha-proxy accept node3`'],
    afterwards: { rounds: [[['R', 'P2+', 'S2<node2'], 50]], verdict: 'serving node2' },
  },
  {
    rule: 'majority',
    what: 'no majority of three',
    epoch: '1 node1',
    majority: true,
    rounds: [[['P1+', 'T', 'R'], 200]],
    says: ['1 of 3 members more has to answer: node2 or node3.'],
    not: ['accept'],
    afterwards: { rounds: [[['P1+', 'S1<node1', 'R'], 50]], verdict: 'serving node1' },
  },
]

function play(scenario: Scenario, rounds: Rounds): Scenario {
  for (const [says, forMs] of rounds) scenario.repeat(says, forMs)
  return scenario
}

function inputOf({ state, members, evidence, policy, now }: Scenario): DecisionInput {
  return { previous: state, members, evidence, policy, now, wallTime: '2026-01-01T00:00:00.000Z' }
}

function decisionOf({ decision }: Scenario): Decision {
  if (decision === null) throw new Error('no turn yet')
  return decision
}

function scenarioOf({ epoch, fenced = [], majority = false, rounds }: Partial<Case>): Scenario {
  const scenario = new Scenario({ fenced, policy: { requireMajority: majority }, ...(epoch && { epoch }) })
  return play(scenario, rounds ?? [])
}

describe('what would change a decision', () => {
  it.each(CASES)('is said for $rule: $what', ({ rule, says, not = [], afterwards, ...rest }) => {
    const scenario = scenarioOf(rest)
    const decision = decisionOf(scenario)
    expect(decision.rule).toBe(rule)
    const outlook = explainDecision(inputOf(scenario), decision).join('\n')
    for (const sentence of says) expect(outlook).toContain(sentence)
    for (const sentence of not) expect(outlook).not.toContain(sentence)
    // The fact that was named does what was said of it.
    if (afterwards !== undefined) expect(play(scenario, afterwards.rounds).verdict).toBe(afterwards.verdict)
  })

  it.each([
    ['cold-accept', undefined, [], HEALTHY],
    ['higher-own', '1 node1', [[HEALTHY, 50]], ['P2-', 'S?', 'S?']],
    ['higher-sanctioned', '1 node1', [[HEALTHY, 50]], ['P1+', 'P2+', 'S?']],
    ['higher-incumbent-gone', '1 node1', [[HEALTHY, 50]], ['R', 'P2-', 'S?']],
    ['higher-grace-passed', '1 node1', [[['T', 'P2-', 'S?'], 2000]], ['T', 'P2-', 'S?']],
  ] as [string, string | undefined, Rounds, string[]][])(
    'is the disk for %s, where somebody is accepted',
    (rule, epoch, before, says) => {
      const scenario = scenarioOf({ rounds: before, ...(epoch && { epoch }) })
      const previous = scenario.state
      scenario.turn(says)
      const { decision, state } = decideTopology({ ...inputOf(scenario), previous })
      expect(decision.rule).toBe(rule)
      const outlook = explainDecision({ ...inputOf(scenario), previous: state }, decision).join('\n')
      expect(outlook).toContain(`Sessions go to ${decision.accept?.node} as soon as this is on disk`)
    },
  )

  it('is said for every rule there is', () => {
    const accepting = ['cold-accept', 'higher-own', 'higher-sanctioned', 'higher-incumbent-gone', 'higher-grace-passed']
    expect(new Set([...CASES.map(({ rule }) => rule), ...accepting])).toEqual(new Set(RULES))
  })
})

describe('whatever the nodes say', () => {
  const SAID = [
    'P1+',
    'P1-',
    'P2+',
    'P2-',
    'P3',
    'S1<node1',
    'S2<node2',
    'S?',
    'S?3',
    'W',
    'X',
    'B',
    'D',
    'F',
    'R',
    'T',
  ]
  const turn = fc.tuple(...Array.from({ length: 3 }, () => fc.constantFrom(...SAID, '.')))

  it('something is said, and every order in it is one that would be taken', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(undefined, '1 node1', '2 node2', '3 node9'),
        fc.subarray(['node1', 'node2'], { maxLength: 1 }),
        fc.boolean(),
        fc.array(fc.tuple(turn, fc.constantFrom(50, 150, 2500)), { minLength: 1, maxLength: 6 }),
        (epoch, fenced, majority, rounds) => {
          const scenario = scenarioOf({ fenced, majority, ...(epoch && { epoch }) })
          for (const [says, afterMs] of rounds) scenario.turn(says, afterMs)
          const outlook = explainDecision(inputOf(scenario), decisionOf(scenario))
          expect(outlook.length).toBeGreaterThan(0)
          for (const [, order, node = ''] of outlook.join('\n').matchAll(/`pgha-proxy (\w+) (\w+)`/g)) {
            const known = scenario.evidence.get(node)
            const isFenced = scenario.state.fenced.has(node)
            if (order === 'unfence') expect(isFenced).toBe(true)
            if (order === 'fence') expect(node).toBe(scenario.decision?.primary)
            if (order !== 'accept') continue
            expect({ isFenced, failing: known?.failing, inRecovery: known?.lastAnswer?.answer.inRecovery }).toEqual({
              isFenced: false,
              failing: null,
              inRecovery: false,
            })
            expect(scenario.role(node)).not.toBe('witness')
          }
          for (const sentence of outlook)
            expect(sentence).not.toMatch(/undefined|null|NaN|\bit is accepted when|nobody (takes|stop)/)
        },
      ),
    )
  })
})

describe('a node’s evidence', () => {
  it('has its claim with the grace that is left, its failures, and whom its rows name', () => {
    const scenario = scenarioOf({
      epoch: '1 node1',
      rounds: [
        [HEALTHY, 50],
        [['T', 'P2-', 'S1<node1'], 500],
      ],
    })
    expect(Object.fromEntries(explainNodes(inputOf(scenario)))).toMatchObject({
      node1: {
        standing: 'does not answer',
        claim: null,
        votesFor: 'node1',
        repmgr: 'rows',
        failing: { failure: 'timeout', count: 10, forMs: 450 },
      },
      node2: {
        standing: 'claims to be primary on timeline 2',
        claim: { timelineId: 2, confirmed: false, against: 'above', latched: false, graceLeftMs: 1650 },
        votesFor: null,
        failing: null,
      },
      node3: { standing: 'is a standby', claim: null, votesFor: null, repmgr: 'absent', failing: null },
    })
  })

  it('tells a latched claim, which no time resolves', () => {
    const rounds: Rounds = [
      [HEALTHY, 50],
      [['P1+', 'P2-', 'S1<node1'], 2200],
    ]
    const sheet = explainNodes(inputOf(scenarioOf({ epoch: '1 node1', rounds })))
    expect(sheet.get('node2')?.claim).toMatchObject({ latched: true, graceLeftMs: null, against: 'above' })
    expect(sheet.get('node1')?.claim).toMatchObject({ confirmed: true, against: 'same' })
  })
})
