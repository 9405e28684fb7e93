import { describe, expect, it } from 'vitest'
import { FORMER_NODES_MAX, FormerEvidence } from '../../src/probe/former-evidence.ts'
import { NO_EVIDENCE } from '../../src/topology/evidence.ts'

describe('FormerEvidence', () => {
  it('forgets those that left first, however many there are', () => {
    const former = new FormerEvidence()
    for (let index = 0; index < 2 * FORMER_NODES_MAX; index += 1) former.remember(`node${index}`, NO_EVIDENCE)
    const known = [...former.with(new Map()).keys()]

    expect(known).toHaveLength(FORMER_NODES_MAX)
    expect([known[0], known.at(-1)]).toEqual([`node${FORMER_NODES_MAX}`, `node${2 * FORMER_NODES_MAX - 1}`])
  })

  it('keeps one that left again for as long as if it had left for the first time', () => {
    const former = new FormerEvidence()
    for (let index = 0; index < FORMER_NODES_MAX; index += 1) former.remember(`node${index}`, NO_EVIDENCE)
    former.remember('node0', NO_EVIDENCE)
    former.remember('another', NO_EVIDENCE)

    const known = [...former.with(new Map()).keys()]
    expect(known).toContain('node0')
    expect(known).not.toContain('node1')
  })

  it('lets what a member says itself stand above what was seen before', () => {
    const former = new FormerEvidence()
    former.remember('node1', NO_EVIDENCE)
    const own = { ...NO_EVIDENCE }

    expect(former.with(new Map([['node1', own]])).get('node1')).toBe(own)
  })
})
