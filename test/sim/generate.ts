/**
 * (seed, index) -> a plan: a cluster, its proxies, and incidents with quiet time between them. Test support. Incidents are
 * made of what happens together in real clusters, so that the deep states are reached, and of faults at random.
 */
import { Random } from '../fuzz/random.ts'
import { Incident } from './incident.ts'
import type { Fault, Plan, Setup } from './plan.ts'
import { LIVENESS_BOUND_MS } from './simulation.ts'

/** After an incident so much is run, which is longer than anything that the proxy waits for but a reader's stay. */
const QUIET_RUN_MS = 12_000
/** One incident in an hour of a cluster's life; what lies between is quiet, and the same again and again. */
export const HOURS_PER_PLAN = 4
const START_MS = 3_000

/** Seeds of neighbours must not give the same numbers one step apart. */
export function planSeed(seed: number, index: number): number {
  return Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)
}

export function generatePlan(seed: number, index: number): Plan {
  const random = new Random(planSeed(seed, index))
  const setup = chooseSetup(random)
  const faults: Fault[] = []
  let at = START_MS + random.below(3_000)
  for (let count = 0; count < HOURS_PER_PLAN; count += 1) {
    const incident = new Incident(random, setup, at)
    incident.fill()
    faults.push(...incident.faults)
    at = incident.endAt + QUIET_RUN_MS
  }
  faults.sort((a, b) => a.at - b.at)
  return { seed: random.below(2 ** 31), setup, faults, healAt: at, endAt: at + LIVENESS_BOUND_MS + 10 }
}

function chooseSetup(random: Random): Setup {
  const nodeCount = random.pick([2, 3, 3, 3, 4, 5])
  const hasWitness = random.below(3) === 0
  const hasRepmgr = random.below(5) > 0
  const all = nodeCount + (hasWitness ? 1 : 0)
  return {
    nodeCount,
    hasWitness: hasWitness && hasRepmgr,
    hasRepmgr,
    listedCount: hasRepmgr && random.below(6) === 0 ? Math.max(2, all - 1) : hasWitness && !hasRepmgr ? nodeCount : all,
    proxyCount: random.pick([1, 1, 2]),
    isWarm: random.below(3) > 0,
    policy: {
      requireMajority: random.below(6) === 0,
      graceMs: random.pick([2_000, 2_000, 500, 5_000]),
      endSessionsWhenRefused: random.below(5) > 0,
      failuresToCount: random.pick([3, 3, 1, 2]),
    },
    timing: {
      intervalMs: random.pick([500, 1_000, 2_000]),
      fastIntervalMs: random.pick([50, 200, 200, 500, 500, 500]),
      timeoutMs: random.pick([1_000, 1_000, 500]),
      decisionTtlMs: random.pick([5_000, 5_000, 10_000]),
    },
    holdTimeoutMs: random.pick([30_000, 5_000, 15_000]),
    holdSessionsMax: random.pick([1_000, 1_000, 5, 0]),
    releaseRate: random.pick([200, 200, 2, 20]),
    onPromotion: random.pick(['keep', 'keep', 'end']),
  }
}
