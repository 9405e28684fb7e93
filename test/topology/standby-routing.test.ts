import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideTopology } from '../../src/topology/decide-topology.ts'
import {
  addObservation,
  NO_EVIDENCE,
  type NodeEvidence,
  WRITE_POSITION_COUNT_MAX,
  WRITE_POSITION_MEMORY_MS,
} from '../../src/topology/evidence.ts'
import { type Lsn, lsnDistanceBytes } from '../../src/topology/lsn.ts'
import type { NodeAnswer } from '../../src/topology/observation.ts'
import { routeSession } from '../../src/topology/route-session.ts'
import { FOLLOW_AGAIN_MS } from '../../src/topology/standby-routing.ts'
import { initialState, type TopologyState } from '../../src/topology/topology-state.ts'
import { answerOf, FOREIGN, member, PINNED, POLICY, Scenario } from './scenario.ts'

const HEALTHY = ['P1+', 'S1<node1', 'S1<node1']

const readable = (scenario: Scenario): string[] =>
  [...(scenario.decision?.nodes ?? [])].filter(([, verdict]) => verdict.readable).map(([name]) => name)

const serving = (options: { fenced?: string[] } = {}): Scenario =>
  new Scenario({ epoch: '1 node1', ...options }).turn(HEALTHY).turn(HEALTHY)

describe('a standby whose upstream is lost', () => {
  it('serves reads until the primary has answered a later question', () => {
    const scenario = serving().turn(['.', 'S?', '.'])
    expect(readable(scenario)).toEqual(['node2', 'node3'])
    expect(readable(scenario.turn(['P1+', '.', '.']))).toEqual(['node3'])
  })

  it('serves no reads when it has come back from out of sight, where the primary had been left alone', () => {
    const scenario = serving().repeat(['P1+', 'T', 'S1<node1'], 1000)
    expect(readable(scenario.turn(['.', 'S?', '.']))).toEqual(['node3'])
  })

  it('serves reads again when it streams again', () => {
    const scenario = serving().turn(['P1+', 'S?', 'S1<node1'])
    expect(readable(scenario)).toEqual(['node3'])
    expect(readable(scenario.turn(HEALTHY))).toEqual(['node2', 'node3'])
  })
})

describe('a primary that is back after it was lost', () => {
  it('has its standbys serve reads until they had the time to stream again', () => {
    const scenario = serving().repeat(['R', 'S?', 'S?'], 1000)
    expect(readable(scenario.repeat(['P1+r2', 'S?', 'S?'], FOLLOW_AGAIN_MS - 1000))).toEqual(['node2', 'node3'])
    expect(scenario.verdict).toBe('serving node1')
    expect(readable(scenario.repeat(['P1+r2', 'S?', 'S1<node1'], 2000))).toEqual(['node3'])
  })

  it('has them do so once: a later break counts at once', () => {
    const scenario = serving().repeat(['R', 'S?', 'S?'], 1000).turn(['P1+r2', 'S1<node1', 'S1<node1'])
    expect(readable(scenario.turn(['P1+r2', 'S?', 'S1<node1']).turn(['P1+r2', '.', '.']))).toEqual(['node3'])
  })

  it('has a standby that was restarted meanwhile serve none until it streams', () => {
    const scenario = serving().repeat(['R', 'S?', 'S?'], 1000).turn(['P1+r2', 'S?r2', 'S?']).turn(['P1+r2', '.', '.'])
    expect(readable(scenario)).toEqual(['node3'])
  })
})

describe('while the primary is lost', () => {
  it.each([
    ['is silent', 'T'],
    ['refuses connections', 'R'],
    ['is shut down', 'D'],
    ['breaks connections off', 'Z'],
    ['has become a standby', 'S?'],
  ])('its standbys go on serving reads when it %s', (_, said) => {
    const scenario = serving().turn([said, '.', '.']).repeat([said, 'S?', 'S?'], 10_000)
    expect(scenario.decision?.primary).toBeNull()
    expect(readable(scenario)).toEqual(['node2', 'node3'])
  })

  it('the lag is measured against the last position that it said', () => {
    const scenario = serving().repeat(['R', 'S?', 'S?'], 10_000)
    expect(scenario.decision?.nodes.get('node2')?.replayLagBytes).toBe(0x60)
  })

  it('nothing changes for readers when the primary is only full', () => {
    const scenario = serving().repeat(['F', 'S1<node1', 'S1<node1'], 10_000)
    expect(scenario.verdict).toBe('serving node1')
    expect(readable(scenario)).toEqual(['node2', 'node3'])
    expect(scenario.decision?.nodes.get('node2')?.replayLagBytes).toBe(0x60)
  })

  it('a reader is routed by the proof of the standby, and held when that is old', () => {
    const { decision, now } = serving().repeat(['R', 'S?', 'S?'], 10_000)
    const request = { route: 'standby', fallback: 'none', balance: 'least-sessions', maxLagBytes: 0x60 } as const
    const context = { decision, now, decisionTtlMs: 5000, doubtedAt: new Map(), sessionCount: () => 0, turn: 0 }
    expect(routeSession(request, context)).toEqual({ kind: 'node', node: 'node2', access: 'read' })
    expect(routeSession({ ...request, route: 'any' }, context)).toMatchObject({ node: 'node2', access: 'read' })
    expect(routeSession({ ...request, maxLagBytes: 0x5f }, context)).toEqual({ kind: 'hold' })
    expect(routeSession(request, { ...context, now: now + 5001 })).toEqual({ kind: 'hold' })
  })

  it('a standby that was out of sight meanwhile serves reads when it is back', () => {
    const scenario = serving().repeat(['R', 'S?', 'T'], 1000)
    expect(readable(scenario)).toEqual(['node2'])
    expect(readable(scenario.turn(['R', 'S?', 'S?']))).toEqual(['node2', 'node3'])
  })

  it('a standby behind another goes on as well', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(['P1+', 'S1<node1', 'S1<node2'])
    expect(readable(scenario.repeat(['R', 'S?', 'S1<node2'], 1000))).toEqual(['node2', 'node3'])
    expect(readable(scenario.repeat(['R', 'T', 'S?'], 1000))).toEqual(['node3'])
  })

  it.each<[string, string, string[]]>([
    ['that was not following before', 'S?', ['P1+', 'S?', 'S1<node1']],
    ['that has seen a higher timeline', 'S?2', HEALTHY],
    ['that follows a higher timeline', 'S2<node3', HEALTHY],
    ['that runs in a circle', 'S1<node2', HEALTHY],
    ['that refuses connections', 'R', HEALTHY],
    ['that was restarted since, which may have gone elsewhere', 'S?r2', HEALTHY],
  ])('no reads come from a standby %s', (_, said, before) => {
    const scenario = serving().turn(before).repeat(['R', said, 'S?'], 1000)
    expect(readable(scenario)).toEqual(['node3'])
  })

  it('no reads come from a standby of a returned old primary, nor from that', () => {
    const scenario = new Scenario({ epoch: '2 node1' })
      .turn(['P2+', 'S2<node1', 'P1+'])
      .turn(['P2+', 'S2<node1', 'P1+'])
    expect(readable(scenario.repeat(['R', 'S1<node3', 'P1+'], 1000))).toEqual([])
  })

  it.each<[string, string[], string[] | undefined]>([
    ['is fenced', HEALTHY, ['node1']],
    ['was initialised anew', ['X', 'S?', 'S?'], undefined],
    ['is contested', ['R', 'P1-', 'S1<node1'], undefined],
  ])('no reads are begun when the primary %s', (_, says, fenced) => {
    const scenario = serving(fenced === undefined ? {} : { fenced }).repeat(says, 1000)
    expect(scenario.decision?.primary).toBeNull()
    expect(readable(scenario)).toEqual([])
  })

  it('no reads are begun before everybody was asked once', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(['.', '.', 'S1<node1'])
    expect(readable(scenario)).toEqual([])
    scenario.turn(['R', 'S?', 'S1<node1']).turn(['R', 'S?', 'S1<node1'])
    expect(readable(scenario)).toEqual(['node3'])
  })

  it('the standbys of the old timeline serve no reads once another primary is accepted', () => {
    const scenario = serving().repeat(['R', 'S?', 'S?'], 1000).turn(['R', 'P2+', 'S?'])
    expect(scenario.verdict).toBe('serving node2')
    expect(readable(scenario)).toEqual([])
    expect(readable(scenario.turn(['R', 'P2+', 'S2<node2']))).toEqual(['node3'])
  })

  it('whoever followed the old primary does not follow the new one for it', () => {
    const scenario = serving().repeat(['T', 'S?', 'S?'], 4000).turn(['T', 'P2-', 'S?'])
    expect(readable(scenario)).toEqual(['node3'])
    // The grace is over at an answer of node3 that is newer than the proof of the new primary.
    scenario.turn(['.', '.', 'S?'], 2100)
    expect([scenario.verdict, readable(scenario)]).toEqual(['serving node2', []])
  })
})

describe('sessions on a standby', () => {
  it('end when it becomes a primary that is not accepted: they could write there', () => {
    const scenario = serving()
    const readSessions = (): string | undefined => scenario.decision?.nodes.get('node2')?.readSessions.kind
    scenario.turn(['P1+', 'P2-', 'S1<node1'])
    expect([scenario.role('node2'), readSessions()]).toEqual(['unknown', 'keep'])
    scenario.repeat(['P1+', 'P2-', 'S1<node1'], 3000)
    expect([scenario.verdict, scenario.role('node2'), readSessions()]).toEqual(['split-brain node1', 'impostor', 'end'])
  })
})

/** A primary that writes at a rate, a standby that is behind by a share of what was written, and a proxy that asks both. */
class LagWorld {
  state: TopologyState = {
    ...initialState({ systemIdentifier: PINNED, timelineId: 1, node: 'node1', at: '' }, [], 0),
    settled: true,
  }
  readonly members = [member('node1'), member('node2')]
  readonly evidence = new Map<string, NodeEvidence>()
  readonly bytesPerMs: number

  constructor(bytesPerMs: number) {
    this.bytesPerMs = bytesPerMs
  }

  written(at: number): Lsn {
    return BigInt(0x1000_0000 + Math.round(at * this.bytesPerMs)) as Lsn
  }

  /** The servers look at themselves at `readAt`. Gives the lag of node2 after that. */
  probe(node: 'node1' | 'node2', sentAt: number, readAt: number, receivedAt: number, lagBytes: number): number | null {
    const isPrimary = node === 'node1'
    const position = this.written(readAt)
    const answer = {
      ...answerOf(isPrimary ? 'P1+' : 'S1<node1', member(node), this.members),
      lsn: isPrimary ? position : null,
      replayLsn: isPrimary ? null : ((position - BigInt(lagBytes)) as Lsn),
    }
    const known = this.evidence.get(node) ?? NO_EVIDENCE
    this.evidence.set(node, addObservation(known, { kind: 'answered', sentAt, receivedAt, answer }))
    const input = { members: this.members, evidence: this.evidence, policy: POLICY, now: receivedAt, wallTime: '' }
    const { decision, state } = decideTopology({ previous: this.state, ...input })
    this.state = state
    return decision.nodes.get('node2')?.replayLagBytes ?? null
  }
}

describe('lag', () => {
  it('is not made of what was written between the probes of the two', () => {
    // 100 MB/s, each asked every 500 ms, the primary 250 ms after the standby.
    const world = new LagWorld(100_000)
    const lags: (number | null)[] = []
    for (let at = 0; at < 5000; at += 500) {
      lags.push(world.probe('node2', at, at, at + 1, 0))
      lags.push(world.probe('node1', at + 250, at + 250, at + 251, 0))
    }
    // After the first pair nothing older than the standby's question is known.
    expect(lags.slice(2).filter((lag) => lag !== 0)).toEqual([])
  })

  it('is never more than the standby really had when it looked, nor less than it had against the position known then', () => {
    const probe = fc.record({
      node: fc.constantFrom('node1' as const, 'node2' as const),
      gap: fc.integer({ min: 0, max: 600 }),
      toRead: fc.integer({ min: 0, max: 900 }),
      toAnswer: fc.integer({ min: 0, max: 900 }),
      lagBytes: fc.integer({ min: 0, max: 50_000_000 }),
    })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 200_000 }), fc.array(probe, { maxLength: 60 }), (rate, probes) => {
        const world = new LagWorld(rate)
        world.probe('node1', 0, 0, 0, 0)
        const asked = { node1: 0, node2: 0 }
        const timed = probes.map(({ node, gap, toRead, toAnswer, lagBytes }) => {
          // A node is asked again when it has answered.
          const sentAt = asked[node] + gap
          asked[node] = sentAt + toRead + toAnswer
          return { node, sentAt, readAt: sentAt + toRead, receivedAt: sentAt + toRead + toAnswer, lagBytes }
        })
        timed.sort((a, b) => a.receivedAt - b.receivedAt)
        let real: { sentAt: number; lagBytes: number; atLeast: number } | null = null
        let lastWritten = world.written(0)
        const answers: { receivedAt: number; lsn: Lsn }[] = [{ receivedAt: 0, lsn: lastWritten }]
        for (const { node, sentAt, readAt, receivedAt, lagBytes } of timed) {
          if (node === 'node1') {
            lastWritten = world.written(readAt)
            answers.push({ receivedAt, lsn: lastWritten })
          } else {
            const known = answers.findLast((answer) => answer.receivedAt <= sentAt)?.lsn ?? world.written(0)
            const replayed = (world.written(readAt) - BigInt(lagBytes)) as Lsn
            real = { sentAt, lagBytes, atLeast: lsnDistanceBytes(known, replayed) }
          }
          const lag = world.probe(node, sentAt, readAt, receivedAt, lagBytes)
          if (real === null) expect(lag).toBeNull()
          else if (receivedAt - real.sentAt <= WRITE_POSITION_MEMORY_MS) {
            expect(lag).toBeLessThanOrEqual(real.lagBytes)
            expect(lag).toBeGreaterThanOrEqual(Math.min(real.atLeast, real.lagBytes))
          }
        }
      }),
    )
  })

  it('is known at once where the standby has received what it does not replay', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(HEALTHY)
    const paused = answerOf('S1<node1', member('node2'), scenario.members)
    const answer = { ...paused, lsn: ((paused.lsn ?? 0n) + 0x1000n) as Lsn }
    const evidence = new Map(scenario.evidence)
    evidence.set('node2', addObservation(NO_EVIDENCE, { kind: 'answered', sentAt: 60, receivedAt: 61, answer }))
    const { decision } = decideTopology({
      previous: scenario.state,
      members: scenario.members,
      evidence,
      policy: POLICY,
      now: 61,
      wallTime: '',
    })
    expect(decision.nodes.get('node2')?.replayLagBytes).toBe(0x1060)
  })

  it.each([
    ['timeline', { timelineId: 1, timelineIdAtLeast: 1 }],
    ['cluster', { systemIdentifier: FOREIGN }],
  ])('is never measured against a position of another %s', (_, before) => {
    const members = [member('node1'), member('node2')]
    const ask = (name: string, sentAt: number, changes: Partial<NodeAnswer>, known = NO_EVIDENCE): NodeEvidence => {
      const said = name === 'node1' ? 'P2+' : 'S2<node1'
      const answer = { ...answerOf(said, member(name), members), ...changes }
      return addObservation(known, { kind: 'answered', sentAt, receivedAt: sentAt + 1, answer })
    }
    const higher = ask('node1', 10, { ...before, lsn: 0x9000_0000n as Lsn })
    const { decision } = decideTopology({
      previous: initialState({ systemIdentifier: PINNED, timelineId: 2, node: 'node1', at: '' }, [], 0),
      members,
      evidence: new Map([
        ['node1', ask('node1', 30, {}, higher)],
        ['node2', ask('node2', 20, {})],
      ]),
      policy: POLICY,
      now: 31,
      wallTime: '',
    })
    expect(decision.nodes.get('node2')?.replayLagBytes).toBe(0x60)
  })

  it('is unknown while no primary of the timeline has said where it writes', () => {
    const scenario = new Scenario({ epoch: '1 node1' }).turn(['R', 'S1<node1', 'S1<node1'])
    expect(scenario.decision?.nodes.get('node2')?.replayLagBytes).toBeNull()
  })
})

describe('write positions', () => {
  it('are kept for some seconds and one beyond, however often the node is asked', () => {
    const answer = answerOf('P1+', member('node1'), [member('node1')])
    let evidence = NO_EVIDENCE
    const ask = (at: number): void => {
      evidence = addObservation(evidence, { kind: 'answered', sentAt: at - 1, receivedAt: at, answer })
    }
    for (let at = 0; at <= 20_000; at += 2000) ask(at)
    expect(evidence.writePositions.map(({ receivedAt }) => receivedAt)).toEqual([14_000, 16_000, 18_000, 20_000])
    for (let at = 20_001; at < 21_000; at += 1) ask(at)
    expect(evidence.writePositions.length).toBe(WRITE_POSITION_COUNT_MAX)
    expect(evidence.writePositions.at(-1)?.receivedAt).toBe(20_999)
  })
})
