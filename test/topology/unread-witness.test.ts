import { describe, expect, it } from 'vitest'
import { addObservation, NO_EVIDENCE } from '../../src/topology/evidence.ts'
import type { NodeAnswer, RepmgrNodeRow } from '../../src/topology/observation.ts'
import { answerOf, FOREIGN, Scenario } from './scenario.ts'

const DENIED: NodeAnswer['repmgr'] = { kind: 'denied', missing: 'GRANT USAGE ON SCHEMA repmgr TO pgha' }

/** node1 is primary, node2 its standby, node3 out of recovery with another identifier and rows that may not be read. */
function scenarioWith(typeOfNode3: RepmgrNodeRow['type'], epoch?: string): Scenario {
  const scenario = new Scenario({ nodes: 3, ...(epoch === undefined ? {} : { epoch }) })
  const says = (name: string, answer: NodeAnswer) =>
    scenario.evidence.set(name, addObservation(NO_EVIDENCE, { kind: 'answered', sentAt: 10, receivedAt: 11, answer }))
  scenario.members.forEach((member, index) => {
    const answer = answerOf(['P1+', 'S1<node1', 'X'][index] ?? '', member, scenario.members)
    if (index === 2) says(member.name, { ...answer, systemIdentifier: FOREIGN, repmgr: DENIED })
    else if (answer.repmgr.kind !== 'rows') says(member.name, answer)
    else {
      const rows = answer.repmgr.rows.map((row) => (row.nodeName === 'node3' ? { ...row, type: typeOfNode3 } : row))
      says(member.name, { ...answer, repmgr: { ...answer.repmgr, rows } })
    }
  })
  return scenario.turn(['.', '.', '.'])
}

describe('a witness whose rows the monitoring role may not read', () => {
  it('does not keep a cold start from finding the primary, and is told of', () => {
    const scenario = scenarioWith('witness')
    expect(scenario.verdict).toBe('serving node1')
    expect(scenario.role('node3')).toBe('witness')
    expect(scenario.decision?.nodes.get('node3')?.problem).toContain('GRANT USAGE ON SCHEMA repmgr TO pgha')
  })

  it('is a witness, not a foreign server, once a primary was accepted', () => {
    expect(scenarioWith('witness', '1 node1').role('node3')).toBe('witness')
  })
})

describe('a server of another cluster whose rows may not be read', () => {
  it('stays foreign when the others take it for a standby', () => {
    expect(scenarioWith('standby', '1 node1').role('node3')).toBe('foreign')
    expect(scenarioWith('standby').verdict).toBe('no-primary')
  })

  it('cannot have the true primary taken for a witness by naming it one', () => {
    const scenario = scenarioWith('witness', '1 node1')
    const node3 = scenario.members[2]
    if (node3 === undefined) throw new Error('three nodes')
    const liar = answerOf('P1+', node3, scenario.members)
    if (liar.repmgr.kind !== 'rows') throw new Error('rows')
    const rows = liar.repmgr.rows.map((row) => (row.nodeName === 'node1' ? { ...row, type: 'witness' as const } : row))
    const lies = { ...liar, systemIdentifier: FOREIGN, repmgr: { ...liar.repmgr, rows } }
    scenario.evidence.set(
      'node3',
      addObservation(NO_EVIDENCE, { kind: 'answered', sentAt: 60, receivedAt: 61, answer: lies }),
    )
    expect(scenario.turn(['.', '.', '.']).verdict).toBe('serving node1')
    const known = scenario.evidence.get('node1')?.lastAnswer?.answer
    if (known === undefined) throw new Error('an answer')
    scenario.evidence.set(
      'node1',
      addObservation(NO_EVIDENCE, {
        kind: 'answered',
        sentAt: 70,
        receivedAt: 71,
        answer: { ...known, repmgr: DENIED },
      }),
    )
    expect(scenario.turn(['.', '.', '.']).verdict).toBe('serving node1')
  })
})
