/** Makes a plan that breaks a promise as small as it gets while it still breaks the same one. Test support. */
import type { Fault, Plan } from './plan.ts'
import { runPlan } from './simulation.ts'

const ATTEMPTS_MAX = 400

/** The first promise that the plan breaks; `null` when it keeps all. */
export async function brokenPromise(plan: Plan): Promise<string | null> {
  try {
    return (await runPlan(plan, { stopsEarly: true })).violations[0]?.promise ?? null
  } catch (error) {
    return `thrown: ${(error as Error).message.replace(/\d+/g, '#')}`
  }
}

/** ddmin over the faults, then what of the setup can be simpler. */
export async function shrink(plan: Plan, promise: string): Promise<Plan> {
  let best = plan
  let attempts = 0
  const accept = async (candidate: Plan): Promise<boolean> => {
    if (attempts >= ATTEMPTS_MAX) return false
    attempts += 1
    if ((await brokenPromise(candidate)) !== promise) return false
    best = candidate
    return true
  }
  let isSmaller = true
  while (isSmaller && attempts < ATTEMPTS_MAX) {
    isSmaller = false
    for (let size = Math.ceil(best.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < best.faults.length; ) {
        const faults: readonly Fault[] = [...best.faults.slice(0, at), ...best.faults.slice(at + size)]
        if (await accept({ ...best, faults })) isSmaller = true
        else at += size
      }
    }
  }
  const { setup } = best
  if (setup.proxyCount > 1) await accept({ ...best, setup: { ...best.setup, proxyCount: 1 } })
  if (setup.hasWitness) {
    await accept({ ...best, setup: { ...best.setup, hasWitness: false, listedCount: best.setup.nodeCount } })
  }
  return best
}
