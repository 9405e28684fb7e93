import { describe, expect, it } from 'vitest'
import { Scenario } from './scenario.ts'

/** What a settled cluster of three looks like on timeline 1. */
const HEALTHY = ['P1+', 'S1<node1', 'S1<node1']

interface Row {
  readonly rule: string
  readonly epoch?: string
  /** Rounds before the last one: [what the nodes say, for how many ms]. */
  readonly before?: readonly (readonly [readonly string[], number])[]
  readonly says: readonly string[]
  readonly verdict: string
  readonly epochAfter: string
  readonly roles?: Readonly<Record<string, string>>
  readonly sessions?: Readonly<Record<string, string>>
}

/** Rows 1 to 25 of the truth table, in the order of docs/decision.md. */
const TRUTH_TABLE: readonly Row[] = [
  {
    rule: '1: routes to the incumbent that answers as primary',
    epoch: '1 node1',
    says: HEALTHY,
    verdict: 'serving node1',
    epochAfter: '1 node1',
    roles: { node1: 'primary', node2: 'standby', node3: 'standby' },
    sessions: { node1: 'keep' },
  },
  {
    rule: '2: routes to the incumbent when all standbys are gone',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['P1+', 'T', 'R'],
    verdict: 'serving node1',
    epochAfter: '1 node1',
  },
  {
    rule: '3: ends the sessions of an incumbent that provably no longer listens, and holds',
    epoch: '1 node1',
    before: [
      [HEALTHY, 50],
      [['R', 'S?', 'S?'], 100],
    ],
    says: ['R', 'S?', 'S?'],
    verdict: 'no-primary',
    epochAfter: '1 node1',
    sessions: { node1: 'end' },
  },
  {
    rule: '4: holds for a silent incumbent though its standbys say they stream, and ends nothing',
    epoch: '1 node1',
    before: [
      [HEALTHY, 50],
      [['T', 'S1<node1', 'S1<node1'], 150],
    ],
    says: ['T', 'S1<node1', 'S1<node1'],
    verdict: 'uncertain',
    epochAfter: '1 node1',
    sessions: { node1: 'keep' },
  },
  {
    rule: '5: accepts a promoted node without a row at once when the incumbent refuses',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['R', 'P2-', 'S?'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
  },
  {
    rule: '6: accepts a promoted node whose row says so and ends the sessions of the old one',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['R', 'P2+', 'S2<node2'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
    sessions: { node1: 'end', node2: 'keep' },
  },
  {
    rule: '7: accepts a promoted node while the incumbent is silent, and ends the silent one’s sessions',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['T', 'P2+', 'S2<node2'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
    sessions: { node1: 'end' },
  },
  {
    rule: '8: fences a returned old primary that claims the older timeline',
    epoch: '2 node2',
    says: ['P1+', 'P2+', 'S2<node2'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
    roles: { node1: 'stale-primary', node2: 'primary' },
    sessions: { node1: 'end' },
  },
  {
    rule: '9: fences the older timeline against two of three tables and the only attached standby',
    epoch: '2 node2',
    says: ['P1+', 'P2+', 'S1<node1'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
    roles: { node1: 'stale-primary' },
    sessions: { node1: 'end' },
  },
  {
    rule: '10: holds when only the older timeline is to be seen',
    epoch: '2 node2',
    says: ['P1+', 'T', 'S?'],
    verdict: 'uncertain',
    epochAfter: '2 node2',
    roles: { node1: 'stale-primary' },
    sessions: { node1: 'end' },
  },
  {
    rule: '11: holds at a cold start when fewer than half of the registered nodes can be observed',
    says: ['P1+', 'T', 'R'],
    verdict: 'no-primary',
    epochAfter: 'none',
  },
  {
    rule: '12: holds new sessions while an unsanctioned claim is younger than the grace',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['P1+', 'P2-', 'S1<node1'],
    verdict: 'uncertain',
    epochAfter: '1 node1',
    sessions: { node1: 'keep' },
  },
  {
    rule: '13: stays with an incumbent that outlives an unsanctioned claim, and raises nothing',
    epoch: '1 node1',
    before: [
      [HEALTHY, 50],
      [['P1+', 'P2-', 'S1<node1'], 2050],
    ],
    says: ['P1+', 'P2-', 'S1<node1'],
    verdict: 'split-brain node1',
    epochAfter: '1 node1',
    roles: { node1: 'primary', node2: 'impostor' },
    sessions: { node1: 'keep' },
  },
  {
    rule: '14: takes the higher of two sanctioned claims at a cold start',
    says: ['P1+', 'P2+', 'T'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
    roles: { node1: 'stale-primary' },
  },
  {
    rule: '15: holds at a cold start when the higher of two claims is unsanctioned',
    says: ['P1+', 'P2-', 'S1<node1'],
    verdict: 'split-brain',
    epochAfter: 'none',
  },
  {
    rule: '16: keeps an unbroken incumbent when another claims its very timeline',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['P1+', 'P1-', 'S1<node1'],
    verdict: 'split-brain node1',
    epochAfter: '1 node1',
    roles: { node2: 'impostor' },
    sessions: { node1: 'keep', node2: 'end' },
  },
  {
    rule: '17: holds when two nodes were promoted to the same timeline',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['R', 'P2-', 'P2-'],
    verdict: 'split-brain',
    epochAfter: '1 node1',
  },
  {
    rule: '18: stays with the accepted primary when another claims its timeline later',
    epoch: '2 node2',
    before: [[['R', 'P2+', 'S2<node2'], 50]],
    says: ['R', 'P2+', 'P2-'],
    verdict: 'split-brain node2',
    epochAfter: '2 node2',
    roles: { node3: 'impostor' },
  },
  {
    rule: '19: holds new sessions and keeps running ones while the incumbent shuts down',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['D', 'S1<node1', 'S1<node1'],
    verdict: 'uncertain',
    epochAfter: '1 node1',
    sessions: { node1: 'keep' },
  },
  {
    rule: '20: accepts a switchover seen late',
    epoch: '1 node1',
    says: ['S2<node2', 'P2+', 'S2<node2'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
    roles: { node1: 'standby' },
    sessions: { node1: 'end' },
  },
  {
    rule: '21: keeps the incumbent when it is full',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['F', 'S1<node1', 'S1<node1'],
    verdict: 'serving node1',
    epochAfter: '1 node1',
    sessions: { node1: 'keep' },
  },
  {
    rule: '22: holds when the incumbent was initialised anew',
    epoch: '1 node1',
    before: [[['P1+', 'S1<node1'], 50]],
    says: ['X', 'S1<node1'],
    verdict: 'no-primary',
    epochAfter: '1 node1',
    roles: { node1: 'foreign' },
    sessions: { node1: 'end' },
  },
  {
    rule: '23: holds when another cluster answers at every address',
    epoch: '1 node1',
    says: ['X', 'X', 'X'],
    verdict: 'no-primary',
    epochAfter: '1 node1',
  },
  {
    rule: '24: follows a fail back by its timeline',
    epoch: '2 node2',
    says: ['P3+', 'S2<node2', 'S3<node1'],
    verdict: 'serving node1',
    epochAfter: '3 node1',
  },
  {
    rule: '25: routes to a primary that is read-only by default',
    epoch: '1 node1',
    says: ['P1!', 'S1<node1', 'S1<node1'],
    verdict: 'serving node1',
    epochAfter: '1 node1',
  },
]

/** What becomes of rows above where nodes go by names that come and go with them. */
const NAMED_NODES: readonly Row[] = [
  {
    rule: '5, in containers: accepts a promoted node without a row at once when the incumbent has vanished',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['V', 'P2-', 'S?'],
    verdict: 'serving node2',
    epochAfter: '2 node2',
  },
  {
    rule: '3, in containers: ends no session of a node whose name is gone, however long',
    epoch: '1 node1',
    before: [
      [HEALTHY, 50],
      [['V', 'S?', 'S?'], 1_000],
    ],
    says: ['V', 'S?', 'S?'],
    verdict: 'no-primary',
    epochAfter: '1 node1',
    sessions: { node1: 'keep' },
  },
  {
    rule: '12, by name: waits for the grace when the incumbent’s name merely does not resolve',
    epoch: '1 node1',
    before: [[HEALTHY, 50]],
    says: ['N', 'P2-', 'S?'],
    verdict: 'uncertain',
    epochAfter: '1 node1',
    sessions: { node1: 'keep' },
  },
]

function play(row: Row): Scenario {
  const scenario = new Scenario({ nodes: row.says.length, ...(row.epoch === undefined ? {} : { epoch: row.epoch }) })
  for (const [says, forMs] of row.before ?? []) scenario.repeat(says, forMs)
  return scenario.turn(row.says)
}

describe('the truth table', () => {
  it.each([...TRUTH_TABLE, ...NAMED_NODES])('$rule', (row) => {
    const scenario = play(row)
    expect({ verdict: scenario.verdict, epoch: scenario.epoch, reason: scenario.decision?.reason }).toMatchObject({
      verdict: row.verdict,
      epoch: row.epochAfter,
    })
    for (const [node, role] of Object.entries(row.roles ?? {}))
      expect([node, scenario.role(node)]).toEqual([node, role])
    for (const [node, kind] of Object.entries(row.sessions ?? {}))
      expect([node, scenario.sessions(node)]).toEqual([node, kind])
  })

  it('has all 25 rows', () => {
    expect(TRUTH_TABLE.map((row) => Number.parseInt(row.rule, 10))).toEqual(Array.from({ length: 25 }, (_, i) => i + 1))
  })
})

describe('cold start', () => {
  it('waits until every node was asked once', () => {
    const scenario = new Scenario({ nodes: 2 }).turn(['P1+', '.'])
    expect(scenario.verdict).toBe('no-primary')
    expect(scenario.decision?.reason).toBe('waiting for the first answer of node2')
    expect(scenario.turn(['P1+', 'P2+']).verdict).toBe('serving node2')
  })

  it('routes to a lone claimant when half of the nodes can be observed', () => {
    expect(new Scenario({ nodes: 2 }).turn(['P1+', 'T']).verdict).toBe('serving node1')
  })

  it('needs more than half with require_majority', () => {
    const scenario = new Scenario({ nodes: 2, policy: { requireMajority: true } }).turn(['P1+', 'T'])
    expect(scenario.verdict).toBe('uncertain')
    expect(scenario.epoch).toBe('none')
    expect(scenario.decision?.reason).toContain('only 1 of 2 registered nodes can be observed (node2 cannot)')
  })

  it('counts the witness as observable but never routes to it', () => {
    expect(new Scenario({ nodes: 3 }).turn(['P1+', 'T', 'W']).verdict).toBe('serving node1')
    const alone = new Scenario({ nodes: 3 }).turn(['T', 'T', 'W'])
    expect(alone.verdict).toBe('no-primary')
    expect(alone.role('node3')).toBe('witness')
  })

  it('does not believe a claimant when the witness names another primary, until it does not any more', () => {
    const scenario = new Scenario({ nodes: 3 }).turn(['P1+', 'T', 'W2'])
    expect(scenario.verdict).toBe('no-primary')
    expect(scenario.decision?.reason).toBe(
      'node1 claims to be primary on timeline 1, but node3, a witness, names node2 as the primary',
    )
    expect(scenario.epoch).toBe('none')
    expect(scenario.turn(['P1+', 'T', 'W1']).verdict).toBe('serving node1')
  })

  it('lets a witness that is late not speak against the higher of two claims', () => {
    expect(new Scenario({ nodes: 3 }).turn(['P1+', 'P2+', 'W1']).verdict).toBe('serving node2')
  })

  it('does not believe a claimant when a standby has seen a higher timeline', () => {
    const scenario = new Scenario({ nodes: 2 }).turn(['P1+', 'S?2'])
    expect(scenario.verdict).toBe('no-primary')
    expect(scenario.decision?.reason).toBe('node1 claims to be primary on timeline 1, but node2 has seen timeline 2')
  })

  it('holds when two nodes claim the same timeline', () => {
    expect(new Scenario({ nodes: 2 }).turn(['P1+', 'P1-']).verdict).toBe('split-brain')
  })

  it('holds when the nodes belong to different clusters', () => {
    const scenario = new Scenario({ nodes: 2 }).turn(['P1+', 'X'])
    expect(scenario.verdict).toBe('no-primary')
    expect(scenario.decision?.reason).toContain('different clusters')
  })

  it('works without repmgr metadata', () => {
    expect(new Scenario({ nodes: 2 }).turn(['P1', 'S1<node1']).verdict).toBe('serving node1')
  })

  it('says what every node does when nobody claims to be primary', () => {
    const scenario = new Scenario({ nodes: 3 }).turn(['R', 'S?', 'B'])
    expect(scenario.decision?.reason).toBe(
      'no node claims to be primary; node1 refuses connections, node2 is a standby, node3 takes no connections (starting up)',
    )
  })
})

describe('restart of the proxy', () => {
  it('does not route to the old timeline that is all there is', () => {
    expect(new Scenario({ nodes: 2, epoch: '2 node2' }).turn(['P1+', 'R']).verdict).toBe('no-primary')
  })

  it('waits for every node once before it believes the incumbent', () => {
    const scenario = new Scenario({ nodes: 2, epoch: '1 node1' }).turn(['P1+', '.'])
    expect(scenario.verdict).toBe('no-primary')
    expect(scenario.turn(['P1+', 'P2+']).verdict).toBe('serving node2')
  })

  it('holds when two claim the epoch’s timeline, because nobody is known to be unbroken', () => {
    expect(new Scenario({ nodes: 2, epoch: '1 node1' }).turn(['P1+', 'P1-']).verdict).toBe('split-brain')
  })

  it('holds when another node alone claims the epoch’s timeline', () => {
    const scenario = new Scenario({ nodes: 2, epoch: '1 node1' }).turn(['R', 'P1-'])
    expect(scenario.verdict).toBe('split-brain')
    expect(scenario.role('node2')).toBe('impostor')
  })

  it('does not take a full incumbent on trust', () => {
    expect(new Scenario({ nodes: 2, epoch: '1 node1' }).turn(['F', 'S1<node1']).verdict).toBe('uncertain')
  })

  it('holds when the epoch’s node is no longer listed, and names the remedy', () => {
    const scenario = new Scenario({ nodes: 2, epoch: '1 node9' }).turn(['P1+', 'S1<node1'])
    expect(scenario.verdict).toBe('split-brain')
    expect(new Scenario({ nodes: 2, epoch: '1 node9' }).turn(['S?', 'S?']).decision?.reason).toContain(
      'pgha-proxy accept',
    )
  })
})

describe('doubt', () => {
  const steady = (): Scenario => new Scenario({ epoch: '1 node1' }).turn(HEALTHY)

  it.each(['T', 'N', 'Z', 'B', 'F', 'A'])('never ends sessions on the incumbent by %s', (said) => {
    const scenario = steady().repeat([said, 'S1<node1', 'S1<node1'], 20_000, 500)
    expect(scenario.sessions('node1')).toBe('keep')
  })

  it('goes on serving until as many timeouts in a row as configured', () => {
    const silent = ['T', 'S1<node1', 'S1<node1']
    const scenario = steady().turn(silent).turn(silent)
    expect(scenario.verdict).toBe('serving node1')
    expect(scenario.decision?.pace).toBe('fast')
    expect(scenario.turn(silent).verdict).toBe('uncertain')
  })

  it('dates the proof of a decision from the last answer, not from the last question', () => {
    const scenario = steady()
    const provenAt = scenario.decision?.provenAt
    expect(scenario.turn(['T', 'S1<node1', 'S1<node1'], 1000).decision?.provenAt).toBe(provenAt)
  })

  it('counts a timeout at once after another failure', () => {
    expect(steady().turn(['Z', '.', '.']).turn(['T', '.', '.']).verdict).toBe('uncertain')
  })

  it('does not end sessions on two refusals closer together than 100 ms', () => {
    const scenario = steady().turn(['R', '.', '.']).turn(['R', '.', '.'], 60)
    expect(scenario.sessions('node1')).toBe('keep')
    expect(scenario.turn(['R', '.', '.'], 60).sessions('node1')).toBe('end')
  })

  it('keeps the sessions of a refusing incumbent when the policy says so', () => {
    const scenario = new Scenario({ epoch: '1 node1', policy: { endSessionsWhenRefused: false } }).turn(HEALTHY)
    expect(scenario.repeat(['R', 'S?', 'S?'], 1000).sessions('node1')).toBe('keep')
  })

  it('serves an incumbent again that was away and comes back on its timeline', () => {
    const scenario = steady().repeat(['R', 'S?', 'S?'], 500).turn(['P1+r2', 'S?', 'S?'])
    expect(scenario.verdict).toBe('serving node1')
    expect(scenario.accepted).toEqual([])
  })

  it('slows down when all is well, and not before', () => {
    const scenario = steady()
    expect(scenario.decision?.pace).toBe('fast')
    scenario.repeat(HEALTHY, 11_000, 500)
    expect(scenario.decision?.pace).toBe('steady')
    expect(scenario.turn(['P1+', 'R', 'S1<node1']).decision?.pace).toBe('fast')
    scenario.repeat(['P1+', 'R', 'S1<node1'], 11_000, 500)
    expect(scenario.decision?.pace).toBe('steady')
  })
})

describe('claims above the epoch', () => {
  it('accepts a claim without a row when the incumbent was silent for the whole grace', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY)
    scenario.repeat(['T', 'S1<node1', 'S1<node1'], 200)
    scenario.turn(['T', 'P2-', 'S?'])
    expect(scenario.verdict).toBe('uncertain')
    scenario.repeat(['T', 'P2-', 'S?'], 1900)
    expect(scenario.verdict).toBe('uncertain')
    scenario.repeat(['T', 'P2-', 'S?'], 150)
    expect(scenario.verdict).toBe('serving node2')
  })

  it('starts the grace anew when the incumbent answers as primary in between', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY)
    scenario.repeat(['Z', 'P2-', 'S?'], 1500).turn(['P1+', 'P2-', 'S?']).repeat(['Z', 'P2-', 'S?'], 1500)
    expect(scenario.verdict).toBe('uncertain')
  })

  it('accepts a claim at once when the incumbent is in recovery', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).turn(['S2<node2', 'P2-', 'S?'])
    expect(scenario.verdict).toBe('serving node2')
  })

  it('does not say of an incumbent that has not answered since the claim that it has outlived it', () => {
    const scenario = new Scenario({ epoch: '1 node1', policy: { graceMs: 2000 } }).turn(HEALTHY)
    scenario.turn(['T', 'P2-', 'S?'], 1000).turn(['T', 'P2-', 'S?'], 1000)
    scenario.turn(['.', 'P2-', 'S?'], 500).turn(['.', 'P2-', 'S?'], 450)
    scenario.turn(['.', 'P2-', 'S?'], 50)
    expect(scenario.verdict).toBe('uncertain')

    scenario.turn(['T', 'P2-', 'S?'], 500)
    scenario.repeat(['.', 'P2-', 'S?'], 2100)
    expect(scenario.verdict).toBe('serving node2')
  })

  it('does not hand a latched claim the role when the incumbent blips', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).repeat(['P1+', 'P2-', 'S1<node1'], 2200)
    for (const blip of ['R', 'Z', 'B', 'T']) {
      expect(scenario.repeat([blip, 'P2-', 'S1<node1'], 5000).verdict).toBe('split-brain')
      expect(scenario.turn(['P1+', 'P2-', 'S1<node1']).verdict).toBe('split-brain node1')
    }
    expect(scenario.accepted).toEqual([])
  })

  it('holds for the grace of a young claim also while a higher one is latched', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).repeat(['P1+', 'P3-', 'S1<node1'], 2200)
    expect(scenario.turn(['P1+', 'P3-', 'P2-']).verdict).toBe('uncertain')
    expect(scenario.repeat(['P1+', 'P3-', 'P2-'], 2200).verdict).toBe('split-brain node1')
  })

  it('keeps the latch while the claiming node is out of sight', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).repeat(['P1+', 'P2-', 'S1<node1'], 2200)
    expect(scenario.turn(['P1+', 'R', 'S1<node1']).verdict).toBe('serving node1')
    expect(scenario.turn(['R', 'P2-', 'S?']).verdict).toBe('split-brain')
  })

  it('forgets the latch when the claiming node turns out to be a standby', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).repeat(['P1+', 'P2-', 'S1<node1'], 2200)
    scenario.turn(HEALTHY)
    expect(scenario.verdict).toBe('serving node1')
    expect(scenario.turn(['R', 'P2-', 'S?']).verdict).toBe('serving node2')
  })

  it('follows a latched claim as soon as its row says primary', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).repeat(['P1+', 'P2-', 'S1<node1'], 2200)
    expect(scenario.turn(['P1+', 'P2+', 'S1<node1']).verdict).toBe('serving node2')
    expect(scenario.sessions('node1')).toBe('end')
  })

  it('stays with a full incumbent against an unsanctioned claim', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).repeat(['F', 'P2-', 'S?'], 3000)
    expect(scenario.verdict).toBe('split-brain node1')
  })

  it('prefers a sanctioned claim to a higher one without a row', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).turn(['R', 'P2+', 'P3-'])
    expect(scenario.epoch).toBe('2 node2')
  })
})

describe('the same timeline claimed twice', () => {
  it('holds for a broken incumbent also while a higher claim is latched', () => {
    const scenario = new Scenario({ epoch: '1 node1' })
      .turn(HEALTHY)
      .repeat(['P1+', 'P2-', 'S1<node1'], 2500)
      .turn(['R', 'P2-', 'P1-'])
      .turn(['P1+r2', 'P2-', 'P1-'])

    expect(scenario.verdict).toBe('split-brain')
  })

  it('stops trusting the incumbent after a break', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).turn(['P1+', 'P1-', 'S1<node1'])
    expect(scenario.verdict).toBe('split-brain node1')
    scenario.turn(['R', 'P1-', 'S?'])
    expect(scenario.verdict).toBe('split-brain')
    expect(scenario.turn(['P1+r2', 'P1-', 'S?']).verdict).toBe('split-brain')
  })

  it('notices a restart between two probes as a break', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).turn(['P1+r2', 'P1-', 'S1<node1'])
    expect(scenario.verdict).toBe('split-brain')
  })

  it('takes one server behind two addresses for one', () => {
    const scenario = new Scenario({ nodes: 2, epoch: '1 node1' })
    scenario.turn(['P1+', '.'])
    const known = scenario.evidence.get('node1')
    if (known === undefined) throw new Error('node1 was not observed')
    scenario.evidence.set('node2', known)
    scenario.turn(['P1+', '.'])
    expect(scenario.verdict).toBe('serving node1')
    expect(scenario.decision?.nodes.get('node2')?.problem).toContain('second address')
  })
})

describe('one impostor behind two addresses', () => {
  it('keeps sessions on neither', () => {
    const scenario = new Scenario({ nodes: 3, epoch: '1 node1' }).turn(['P1+', 'P1-', '.'])
    const known = scenario.evidence.get('node2')
    if (known === undefined) throw new Error('node2 was not observed')
    scenario.evidence.set('node3', known)
    scenario.turn(['P1+', '.', '.'])
    expect([scenario.sessions('node2'), scenario.sessions('node3')]).toEqual(['end', 'end'])
    expect([scenario.role('node2'), scenario.role('node3')]).toEqual(['impostor', 'impostor'])
  })
})

describe('fencing by an operator', () => {
  it('never routes to a fenced node, and ends its sessions', () => {
    const scenario = new Scenario({ epoch: '1 node1', fenced: ['node1'] }).turn(HEALTHY)
    expect(scenario.verdict).toBe('no-primary')
    expect(scenario.role('node1')).toBe('fenced')
    expect(scenario.sessions('node1')).toBe('end')
  })

  it('lets a promoted node take over from a fenced incumbent', () => {
    const scenario = new Scenario({ epoch: '1 node1', fenced: ['node1'] }).turn(['P1+', 'P2-', 'S1<node1'])
    expect(scenario.verdict).toBe('serving node2')
  })
})

describe('require_majority', () => {
  it('holds new sessions of a serving incumbent that is alone with itself', () => {
    const scenario = new Scenario({ epoch: '1 node1', policy: { requireMajority: true } }).turn(HEALTHY)
    expect(scenario.verdict).toBe('serving node1')
    expect(scenario.repeat(['P1+', 'T', 'T'], 500).verdict).toBe('uncertain')
    expect(scenario.sessions('node1')).toBe('keep')
  })
})

describe('standbys', () => {
  const readable = (scenario: Scenario): string[] =>
    [...(scenario.decision?.nodes ?? [])].filter(([, verdict]) => verdict.readable).map(([name]) => name)

  it('serve reads when they stream the epoch’s timeline from the primary', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(['P1+', 'S1<node1', 'S1<node2'])
    expect(readable(scenario)).toEqual(['node2', 'node3'])
    expect(scenario.decision?.nodes.get('node2')?.replayLagBytes).toBe(0x60)
  })

  it.each([
    ['without an upstream', ['P2+', 'S?', 'S2<node1'], '2 node1'],
    ['on a lower timeline', ['P2+', 'S1<node1', 'S2<node1'], '2 node1'],
    ['behind an impostor', ['P2+', 'S2<node4', 'S2<node1', 'P2-'], '2 node1'],
    ['in a circle', ['P2+', 'S2<node2', 'S2<node1'], '2 node1'],
  ])('serve no reads %s', (_, says, epoch) => {
    const before = ['P2+', 'S2<node1', 'S2<node1', 'S?'].slice(0, says.length)
    const scenario = new Scenario({ nodes: says.length, epoch }).turn(before).turn(says)
    expect(readable(scenario)).toEqual(['node3'])
  })
})

describe('explanations', () => {
  it('gives the same sentence for the same state, so that equal sentences mean no news', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY)
    const { reason } = scenario.decision ?? {}
    expect(scenario.repeat(HEALTHY, 5000, 500).decision?.reason).toBe(reason)
    expect(reason).toBe('node1 is primary on timeline 1')
  })

  it('names the older timeline that is not believed', () => {
    const scenario = new Scenario({ nodes: 2, epoch: '2 node2' }).repeat(['P1+', 'T'], 200)
    expect(scenario.decision?.reason).toBe(
      'node2, primary on timeline 2, does not answer; node1 claims the older timeline 1 and is not believed',
    )
  })

  it('gives repmgr time to write the row of a promoted node before it asks for it', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY).turn(['R', 'P2-', 'S2<node2'])
    expect(scenario.decision?.nodes.get('node2')?.problem).toBeNull()
    scenario.repeat(['R', 'P2-', 'S2<node2'], 6000, 500)
    expect(scenario.decision?.nodes.get('node2')?.problem).toContain('repmgr primary register --force')
  })

  it('warns when no standby follows', () => {
    const scenario = new Scenario({ nodes: 2, epoch: '1 node1' }).turn(['P1+', 'R'])
    expect(scenario.decision?.warnings).toEqual([
      'node2 refuses connections',
      'no standby follows node1: a failover would have nowhere to go',
    ])
  })
})
