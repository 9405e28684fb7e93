import { describe, expect, it } from 'vitest'
import { type ClientSpec, planClients, SILENT_CLIENTS } from './client-plan.ts'

const PROXIES = [
  { name: 'proxy1', address: '10.77.0.21', writePort: 5432, standbyPort: 5433 },
  { name: 'proxy2', address: '10.77.0.22', writePort: 5432, standbyPort: 5433 },
]
const ALL = planClients(PROXIES).flat()

function of(style: ClientSpec['style']): readonly ClientSpec[] {
  return ALL.filter((spec) => spec.style === style)
}

describe('the clients of a chaos run', () => {
  it('have names of their own', () => {
    expect(new Set(ALL.map(({ name }) => name)).size).toBe(ALL.length)
  })

  it('come by each proxy, and by both in either order', () => {
    const ways = new Set(of('steady').map(({ targets }) => targets.map(({ proxy }) => proxy).join(' ')))
    expect(ways).toEqual(new Set(['proxy1', 'proxy2', 'proxy1 proxy2', 'proxy2 proxy1']))
    for (const style of ['fresh', 'crowd', 'idle', 'twice', 'reader', 'visitor'] as const) {
      expect(new Set(of(style).map(({ targets }) => targets[0]?.proxy)), style).toEqual(new Set(['proxy1', 'proxy2']))
    }
  })

  it('read by the port for standbys, and write by the other', () => {
    for (const { route, targets } of ALL) {
      expect(targets.map(({ port }) => port)).toEqual(targets.map(() => (route === 'read' ? 5433 : 5432)))
    }
  })

  it('look at rows of somebody who writes', () => {
    const writers = new Set(ALL.filter(({ route }) => route === 'write').map(({ name }) => name))
    for (const { subject } of ALL) expect(writers).toContain(subject)
  })

  it('write at a pace that leaves a machine with two cores time for the cluster', () => {
    const writers = ALL.filter(({ route }) => route === 'write')
    const perSecond = writers.reduce((sum, { paceMs, count }) => sum + (count * 1_000) / paceMs, 0)
    expect(perSecond).toBeGreaterThan(20)
    expect(perSecond).toBeLessThan(60)
  })

  it('are silent for long by their names, and by their pace', () => {
    for (const { name, paceMs } of ALL) expect(SILENT_CLIENTS.test(name), name).toBe(paceMs > 2_000)
  })
})
