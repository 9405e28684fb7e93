import { describe, expect, it } from 'vitest'
import { EventQueue } from './event-queue.ts'
import { generatePlan, HOURS_PER_PLAN } from './generate.ts'
import { DEFAULT_SETUP, FAULT_KINDS, type Fault, type Plan } from './plan.ts'
import { shrink } from './shrink.ts'
import { runPlan } from './simulation.ts'

const SEED = 6
const PLANS = 24

function planOf(faults: readonly Fault[], changes: Partial<Plan> = {}): Plan {
  return { seed: 1, setup: DEFAULT_SETUP, faults, healAt: null, endAt: 30_000, ...changes }
}

describe('the simulator', () => {
  it(`finds no broken promise in ${PLANS * HOURS_PER_PLAN} cluster-hours of seed ${SEED}`, {
    timeout: 60_000,
  }, async () => {
    const figures = new Map<string, number>()
    for (let index = 0; index < PLANS; index += 1) {
      const { violations, figures: counted } = await runPlan(generatePlan(SEED, index))
      expect(violations, `npm run sim -- --replay ${SEED}:${index}`).toEqual([])
      for (const [name, count] of counted) figures.set(name, (figures.get(name) ?? 0) + count)
    }
    // Something has really happened: sessions were routed, ended, held, and failovers took place.
    for (const name of ['routed to write', 'routed to read', 'ended: node-not-routable', 'hold: routed']) {
      expect(figures.get(name) ?? 0, name).toBeGreaterThan(10)
    }
    expect(figures.get('rule higher-sanctioned') ?? 0).toBeGreaterThan(5)
  })

  it('tells the same story of the same plan, to the last word', async () => {
    const [first, second] = await Promise.all([1, 2].map(() => runPlan(generatePlan(SEED, 3), { tells: true })))
    expect(first?.story.length).toBeGreaterThan(20)
    expect(second?.story).toEqual(first?.story)
    expect(second?.figures).toEqual(first?.figures)
  })

  it('gives other plans for other seeds', () => {
    expect(generatePlan(1, 0)).not.toEqual(generatePlan(2, 0))
    expect(generatePlan(1, 0)).not.toEqual(generatePlan(1, 1))
  })

  it('has every kind of fault among its plans', () => {
    const seen = new Set<string>()
    for (let index = 0; index < 1_000; index += 1)
      for (const { kind } of generatePlan(SEED, index).faults) seen.add(kind)
    expect([...seen].sort()).toEqual([...FAULT_KINDS].sort())
  })
})

describe('a plan', () => {
  it('moves the sessions of a primary that dies to the one that is promoted', async () => {
    const faults: Fault[] = [
      ...Array.from({ length: 4 }, (): Fault => ({ at: 2_000, kind: 'clients', amount: 4 })),
      { at: 3_000, kind: 'crash', target: 'node1' },
      { at: 6_000, kind: 'clients', amount: 6 },
      { at: 9_000, kind: 'promote', target: 'node2' },
    ]
    const { violations, figures } = await runPlan(planOf(faults), {
      onStep: ({ now, proxies }) => {
        if (now < 29_000) return
        for (const proxy of proxies) expect(proxy.sessions.every(({ phase }) => phase !== 'held')).toBe(true)
      },
    })
    expect(violations).toEqual([])
    expect(figures.get('ended: backend-lost')).toBeGreaterThan(0)
    expect(figures.get('hold: routed')).toBeGreaterThan(0)
  })

  it('that leaves a cluster without a primary is told by the check of liveness', async () => {
    const cut = ['node1', 'node2', 'node3'].map((target): Fault => ({ at: 20_000, kind: 'cut', target }))
    const plan = planOf(cut, { healAt: 5_000, endAt: 31_000 })
    const { violations } = await runPlan(plan)
    expect(violations.map(({ promise }) => promise)).toContain('liveness: within the bound')
  })

  it('is shrunk to the faults that it needs', { timeout: 30_000 }, async () => {
    const noise: Fault[] = [
      { at: 2_000, kind: 'lag', target: 'node2', amount: 3 },
      { at: 3_000, kind: 'notify' },
      { at: 4_000, kind: 'follow', target: 'node3', other: 'node2' },
    ]
    const needed: Fault[] = ['node1', 'node2', 'node3'].map((target) => ({ at: 20_000, kind: 'power-off', target }))
    const plan = planOf([...noise, ...needed], { healAt: 5_000, endAt: 31_000 })
    const small = await shrink(plan, 'liveness: within the bound')
    expect(small.faults).toHaveLength(1)
    expect(needed).toContainEqual(small.faults[0])
  })
})

describe('the event queue', () => {
  it('runs what is due at one moment in the order in which it was scheduled', () => {
    const queue = new EventQueue()
    const seen: string[] = []
    for (const [at, name] of [
      [5, 'c'],
      [1, 'a'],
      [5, 'd'],
      [1, 'b'],
      [9, 'f'],
      [7, 'e'],
    ] as const) {
      queue.after(at, () => void seen.push(name))
    }
    while (queue.step(8));
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(queue.now).toBe(8)
    expect(queue.size).toBe(1)
  })

  it('does not run what was cancelled', () => {
    const queue = new EventQueue()
    let isRun = false
    const cancel = queue.after(1, () => {
      isRun = true
    })
    cancel()
    cancel()
    expect(queue.size).toBe(0)
    expect(queue.step(10)).toBe(false)
    expect(isRun).toBe(false)
  })
})
