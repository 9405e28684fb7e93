/**
 * The limits of what the evidence can tell, each as one simulation: what really happened, what reached the proxy, what it
 * does, and what `policy.require_majority` changes. docs/what-cannot-be-known.md has them in words, under the same names.
 */
import { describe, expect, it } from 'vitest'
import { DEFAULT_SETUP, type Fault, type Plan, type Setup } from './plan.ts'
import { runPlan, type SimWorld } from './simulation.ts'

type Changes = Partial<Omit<Setup, 'policy'>> & { readonly requireMajority?: boolean }

/** Runs the faults and returns what `look` saw at the end, and every promise that was broken on the way. */
async function play(
  changes: Changes,
  faults: readonly Fault[],
  endAt: number,
): Promise<{ sees: string[]; broken: string[] }> {
  const { requireMajority = false, ...setup } = changes
  const nodeCount = setup.nodeCount ?? DEFAULT_SETUP.nodeCount
  const plan: Plan = {
    seed: 1,
    setup: {
      ...DEFAULT_SETUP,
      listedCount: nodeCount + (setup.hasWitness === true ? 1 : 0),
      ...setup,
      policy: { ...DEFAULT_SETUP.policy, requireMajority },
    },
    faults: [...faults].sort((a, b) => a.at - b.at),
    healAt: null,
    endAt,
  }
  let sees: string[] = []
  const { violations } = await runPlan(plan, {
    onStep: ({ proxies }: SimWorld) => {
      sees = proxies.map(({ decision }) => `${decision?.kind ?? 'nothing'} ${decision?.primary ?? '-'}`)
    },
  })
  return { sees, broken: violations.flatMap(({ sentences }) => sentences) }
}

/** The other side of a partition promotes node2 and goes on; this side sees node1 alone. */
const WRONG_SIDE: readonly Fault[] = [
  { at: 5_000, kind: 'cut', target: 'node2' },
  { at: 5_000, kind: 'cut-nodes', target: 'node1', other: 'node2' },
  { at: 12_000, kind: 'promote', target: 'node2' },
]

/** node1 comes back by itself after node2 was promoted, and its successor is out of sight. */
const STALE_ALONE: readonly Fault[] = [
  { at: 2_000, kind: 'power-off', target: 'node1' },
  { at: 9_000, kind: 'promote', target: 'node2' },
  { at: 20_000, kind: 'power-off', target: 'node2' },
  { at: 21_000, kind: 'start', target: 'node1' },
]

describe('two nodes seen from the wrong side of a partition, without a witness', () => {
  it('goes on with the primary that it sees, although the other side has promoted', async () => {
    expect(await play({ nodeCount: 2 }, WRONG_SIDE, 30_000)).toEqual({ sees: ['serving node1'], broken: [] })
  })

  it('holds with require_majority, because one of two is no majority', async () => {
    const faults = [...WRONG_SIDE]
    expect(await play({ nodeCount: 2, requireMajority: true }, faults, 30_000)).toEqual({
      sees: ['uncertain -'],
      broken: [],
    })
  })

  it('follows the promotion as soon as the partition ends, and fences the side that it was on', async () => {
    const faults: Fault[] = [...WRONG_SIDE, { at: 30_000, kind: 'mend', target: 'node2' }]
    expect(await play({ nodeCount: 2 }, faults, 35_000)).toEqual({ sees: ['serving node2'], broken: [] })
  })
})

describe('three nodes and a witness seen from the wrong side of a partition', () => {
  const AWAY: readonly Fault[] = [
    ...['node2', 'node3', 'node4'].map((target): Fault => ({ at: 5_000, kind: 'cut', target })),
    ...['node2', 'node3', 'node4'].map((other): Fault => ({ at: 5_000, kind: 'cut-nodes', target: 'node1', other })),
    { at: 12_000, kind: 'promote', target: 'node2' },
  ]

  it('goes on with the primary that it sees: a minority is enough for an accepted one', async () => {
    expect(await play({ hasWitness: true }, AWAY, 30_000)).toEqual({ sees: ['serving node1'], broken: [] })
  })

  it('holds with require_majority', async () => {
    expect(await play({ hasWitness: true, requireMajority: true }, AWAY, 30_000)).toEqual({
      sees: ['uncertain -'],
      broken: [],
    })
  })
})

describe('a stale primary is all that can be seen', () => {
  it('holds when the state file remembers its successor', async () => {
    expect(await play({ nodeCount: 2 }, STALE_ALONE, 40_000)).toEqual({ sees: ['uncertain -'], broken: [] })
  })

  const FORGETFUL: readonly Fault[] = [
    ...STALE_ALONE,
    { at: 25_000, kind: 'proxy-forget' },
    { at: 26_000, kind: 'proxy-start' },
  ]

  it('is taken for the primary by a cold proxy without memory, where it is one of two', async () => {
    expect(await play({ nodeCount: 2 }, FORGETFUL, 40_000)).toEqual({ sees: ['serving node1'], broken: [] })
  })

  it('is not believed by the same cold proxy with require_majority', async () => {
    expect(await play({ nodeCount: 2, requireMajority: true }, FORGETFUL, 40_000)).toEqual({
      sees: ['uncertain -'],
      broken: [],
    })
  })

  it('is not believed by the same cold proxy when a witness names its successor', async () => {
    const late = FORGETFUL.map((fault) => (fault.at < 20_000 ? fault : { ...fault, at: fault.at + 20_000 }))
    expect(await play({ nodeCount: 2, hasWitness: true }, late, 60_000)).toEqual({
      sees: ['no-primary -'],
      broken: [],
    })
  })

  it('is not believed by the same cold proxy when a third node has seen the later timeline', async () => {
    const faults: Fault[] = [
      ...FORGETFUL.map((fault) => (fault.at < 20_000 ? fault : { ...fault, at: fault.at + 60_000 })),
      { at: 12_000, kind: 'rejoin', target: 'node3', other: 'node2' },
    ]
    expect(await play({}, faults, 100_000)).toEqual({ sees: ['no-primary -'], broken: [] })
  })
})

describe('two proxies on the two sides of a partition', () => {
  const SPLIT: readonly Fault[] = [
    ...['node2', 'node3'].map((target): Fault => ({ at: 5_000, kind: 'cut', target, proxy: 0 })),
    { at: 5_000, kind: 'cut', target: 'node1', proxy: 1 },
    ...['node2', 'node3'].map((other): Fault => ({ at: 5_000, kind: 'cut-nodes', target: 'node1', other })),
    { at: 12_000, kind: 'promote', target: 'node2' },
  ]

  it('has each serve the primary of its own side', async () => {
    expect(await play({ proxyCount: 2 }, SPLIT, 30_000)).toEqual({
      sees: ['serving node1', 'serving node2'],
      broken: [],
    })
  })

  it('has only the side with the majority serve, with require_majority', async () => {
    expect(await play({ proxyCount: 2, requireMajority: true }, SPLIT, 30_000)).toEqual({
      sees: ['uncertain -', 'serving node2'],
      broken: [],
    })
  })

  it('has both agree when the partition ends', async () => {
    const mended: Fault[] = [0, 1].flatMap((proxy) =>
      ['node1', 'node2', 'node3'].map((target): Fault => ({ at: 30_000, kind: 'mend', target, proxy })),
    )
    expect(await play({ proxyCount: 2 }, [...SPLIT, ...mended], 36_000)).toEqual({
      sees: ['serving node2', 'serving node2'],
      broken: [],
    })
  })
})

describe('a promotion by hand, which no row of repmgr tells of', () => {
  it('is followed after the grace when the old primary is silent, dead or not', async () => {
    const faults: Fault[] = [
      { at: 5_000, kind: 'cut', target: 'node1' },
      { at: 12_000, kind: 'promote-by-hand', target: 'node2' },
    ]
    expect(await play({}, faults, 30_000)).toEqual({ sees: ['serving node2'], broken: [] })
  })

  it('is not followed while the old primary answers, and is not when that falls silent later', async () => {
    const faults: Fault[] = [
      { at: 5_000, kind: 'promote-by-hand', target: 'node2' },
      { at: 15_000, kind: 'freeze', target: 'node1' },
    ]
    expect(await play({}, faults, 14_000)).toEqual({ sees: ['split-brain node1'], broken: [] })
    expect(await play({}, faults, 30_000)).toEqual({ sees: ['split-brain -'], broken: [] })
  })

  it('is followed when it was done while the old primary was out of sight, though that comes back', async () => {
    const faults: Fault[] = [
      { at: 5_000, kind: 'freeze', target: 'node1' },
      { at: 12_000, kind: 'promote-by-hand', target: 'node2' },
      { at: 25_000, kind: 'thaw', target: 'node1' },
    ]
    expect(await play({}, faults, 40_000)).toEqual({ sees: ['serving node2'], broken: [] })
  })
})

describe('one timeline that two nodes claim', () => {
  it('is nobody’s after a restart of the proxy: which was first is not in any answer', async () => {
    const faults: Fault[] = [
      { at: 5_000, kind: 'start-without-signal', target: 'node2' },
      { at: 15_000, kind: 'proxy-crash' },
      { at: 16_000, kind: 'proxy-start' },
    ]
    expect(await play({}, faults, 14_000)).toEqual({ sees: ['split-brain node1'], broken: [] })
    expect(await play({}, faults, 25_000)).toEqual({ sees: ['split-brain -'], broken: [] })
  })
})

describe('the moment between a promotion and the next probe', () => {
  it('leaves the clients of a primary that is cut off where they are', async () => {
    let kept = 0
    const plan: Plan = {
      seed: 1,
      setup: DEFAULT_SETUP,
      faults: [
        ...Array.from({ length: 6 }, (): Fault => ({ at: 3_000, kind: 'clients', amount: 3 })),
        { at: 5_000, kind: 'cut', target: 'node1' },
        { at: 8_000, kind: 'promote', target: 'node2' },
      ],
      healAt: null,
      endAt: 8_400,
    }
    const { violations } = await runPlan(plan, {
      onStep: ({ now, proxies }) => {
        if (now > 8_000) {
          kept = proxies[0]?.sessions.filter(({ node, access }) => node === 'node1' && access === 'write').length ?? 0
        }
      },
    })
    expect(kept).toBeGreaterThan(0)
    expect(violations).toEqual([])
  })
})
