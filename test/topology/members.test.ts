import { describe, expect, it } from 'vitest'
import { NO_EVIDENCE, type NodeEvidence } from '../../src/topology/evidence.ts'
import { DISCOVERED_MAX, discoverMembers } from '../../src/topology/members.ts'
import type { RepmgrNodeRow } from '../../src/topology/observation.ts'
import type { Member } from '../../src/topology/standing.ts'
import { answerOf, FOREIGN, member, PINNED } from './scenario.ts'

const [node1, node2, node3] = [member('node1'), member('node2'), member('node3')]

function row(nodeId: number, nodeName: string, host: string | null): RepmgrNodeRow {
  const address = host === null ? null : { host, port: 5432 }
  return { nodeId, nodeName, type: 'standby', active: true, upstreamNodeId: null, address }
}

function answered(node: Member, rows: readonly RepmgrNodeRow[], localNodeId: number | null = null): NodeEvidence {
  const answer = { ...answerOf('P1', node, []), repmgr: { kind: 'rows', rows, localNodeId } as const }
  return { ...NO_EVIDENCE, lastAnswer: { sentAt: 0, receivedAt: 0, answer } }
}

const SERVING = { node: 'node1', systemIdentifier: PINNED }

const names = (members: readonly Member[]): string[] => members.map((known) => known.name)

describe('discoverMembers', () => {
  it('adds what the primary’s rows name, at the address in conninfo', () => {
    const rows = [row(1, 'node1', '127.0.0.1'), row(2, 'node2', '127.0.0.2')]
    const found = discoverMembers([node1], [node1], new Map([['node1', answered(node1, rows)]]), SERVING)
    expect(found).toEqual([node1, node2])
  })

  it('keeps the configured address of a node whose conninfo names another one', () => {
    const rows = [row(1, 'node1', '10.0.0.1'), row(2, 'node2', '10.0.0.2')]
    const found = discoverMembers([node1, node2], [node1, node2], new Map([['node1', answered(node1, rows)]]), SERVING)
    expect(found).toEqual([node1, node2])
  })

  it('recognises a row of another name by its address', () => {
    const rows = [row(1, 'pg-zero', '127.0.0.1')]
    expect(names(discoverMembers([node1], [node1], new Map([['node1', answered(node1, rows)]]), SERVING))).toEqual([
      'node1',
    ])
  })

  it('recognises a row of another name and address by the node’s own word', () => {
    const rows = [row(7, 'pg-zero', '10.0.0.1')]
    const evidence = new Map([['node1', answered(node1, rows, 7)]])
    expect(names(discoverMembers([node1], [node1], evidence, SERVING))).toEqual(['node1'])
  })

  it('removes a discovered node that the primary’s rows no longer name, never a configured one', () => {
    const evidence = new Map([['node1', answered(node1, [row(1, 'node1', '127.0.0.1')])]])
    expect(names(discoverMembers([node1, node2], [node1, node2, node3], evidence, SERVING))).toEqual(['node1', 'node2'])
  })

  it('removes nobody while there is no primary', () => {
    const evidence = new Map([['node1', answered(node1, [row(1, 'node1', '127.0.0.1')])]])
    expect(names(discoverMembers([node1], [node1, node3], evidence, null))).toEqual(['node1', 'node3'])
  })

  it.each([
    ['belongs to another cluster', { systemIdentifier: FOREIGN }],
    ['is in recovery', { inRecovery: true }],
  ])('removes nobody by the rows of a primary that now %s', (_, change) => {
    const known = answered(node1, [row(1, 'node1', '127.0.0.1')])
    const lastAnswer = known.lastAnswer && { ...known.lastAnswer, answer: { ...known.lastAnswer.answer, ...change } }
    const evidence = new Map([['node1', { ...known, lastAnswer }]])
    expect(names(discoverMembers([node1], [node1, node3], evidence, SERVING))).toEqual(['node1', 'node3'])
  })

  it('listens to everybody’s rows while there is no primary', () => {
    const evidence = new Map([['node2', answered(node2, [row(3, 'node3', '127.0.0.3')])]])
    expect(names(discoverMembers([node1, node2], [node1, node2], evidence, null))).toEqual(['node1', 'node2', 'node3'])
  })

  it('cannot add a node whose conninfo it may not read', () => {
    const evidence = new Map([['node1', answered(node1, [row(1, 'node1', null), row(2, 'node2', null)])]])
    expect(names(discoverMembers([node1], [node1], evidence, SERVING))).toEqual(['node1'])
  })

  it('leaves out a discovered address that leads to a server that is configured already', () => {
    const alias = { name: 'pg-zero', address: { host: '10.0.0.1', port: 5432 } }
    const rows = [row(1, 'pg-zero', '10.0.0.1')]
    const known = answered(node1, rows)
    const evidence = new Map([
      ['node1', known],
      ['pg-zero', known],
    ])
    expect(names(discoverMembers([node1], [node1, alias], evidence, SERVING))).toEqual(['node1'])
  })

  it('adds no more than a cluster can have, however many new names the rows bring at every turn', () => {
    let members: readonly Member[] = [node1]
    for (let turn = 0; turn < 5; turn += 1) {
      const rows = Array.from({ length: 40 }, (_, index) => row(index, `turn${turn}-${index}`, `10.${turn}.0.${index}`))
      members = discoverMembers([node1], members, new Map([['node1', answered(node1, rows)]]), null)
    }
    expect(members).toHaveLength(1 + DISCOVERED_MAX)
    expect(members[0]).toBe(node1)
  })
})
