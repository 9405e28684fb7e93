/**
 * Runs one plan: faults, checks at every step, then the healing and what must be true after it. Test support. The same
 * plan gives the same history, to the last microsecond.
 */
import type { PersistentState } from '../../src/ports.ts'
import { Random } from '../fuzz/random.ts'
import { applyFault } from './apply-fault.ts'
import { EventQueue } from './event-queue.ts'
import { finishHealing, heal } from './heal.ts'
import type { Plan } from './plan.ts'
import type { Listener } from './process-watch.ts'
import { SimCluster } from './sim-cluster.ts'
import { SimProxy } from './sim-proxy.ts'
import { describeFault, formatTime } from './story.ts'

export const SYSTEM_IDENTIFIER = '7000000000000000001'

/** From the healing to the moment at which everything must be well. */
export const LIVENESS_BOUND_MS = 25_000
/** After that long the operator looks who is accepted, and puts that right where no fact can. */
const OPERATOR_LOOKS_MS = 12_000
const PROGRESS_CHECK_MS = 500

export interface Violation {
  readonly at: number
  readonly proxy: string
  readonly promise: string
  readonly sentences: readonly string[]
}

export interface SimResult {
  readonly violations: readonly Violation[]
  readonly figures: ReadonlyMap<string, number>
  /** Empty unless it was asked for. */
  readonly story: readonly string[]
}

export interface SimOptions {
  /** Keeps the story. */
  readonly tells?: boolean
  /** Stops at the first violation, which is all that shrinking needs. */
  readonly stopsEarly?: boolean
  /** Called after every event, with everything in reach: for simulations that look at one moment. */
  readonly onStep?: (world: SimWorld) => void
}

export interface SimWorld {
  readonly now: number
  readonly cluster: SimCluster
  readonly proxies: readonly SimProxy[]
}

/** Lets every promise that can go on go on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export async function runPlan(plan: Plan, options: SimOptions = {}): Promise<SimResult> {
  const { setup } = plan
  const queue = new EventQueue()
  const random = new Random(plan.seed)
  const violations: Violation[] = []
  const figures = new Map<string, number>()
  const story: string[] = []
  const tell = (text: string): void => {
    if (options.tells === true) story.push(`${formatTime(queue.now)}  ${text}`)
  }
  const listener: Listener = {
    onBroken: (proxy, promise, sentences) => {
      violations.push({ at: queue.now, proxy, promise, sentences })
      tell(`  VIOLATION at ${proxy}: ${promise}: ${sentences.join('; ')}`)
    },
    onNews: (proxy, text) => tell(`  ${proxy} ${text}`),
    count: (figure, by = 1) => void figures.set(figure, (figures.get(figure) ?? 0) + by),
  }
  const cluster = new SimCluster({ ...setup, systemIdentifier: SYSTEM_IDENTIFIER }, queue, random)
  const onDisk: PersistentState | null = setup.isWarm
    ? {
        epoch: { systemIdentifier: SYSTEM_IDENTIFIER, timelineId: 1, node: 'node1', at: '2025-12-31T00:00:00.000Z' },
        fenced: [],
      }
    : null
  const proxies = Array.from(
    { length: setup.proxyCount },
    (_, index) => new SimProxy({ name: `proxy${index + 1}`, setup, cluster, queue, random, listener, onDisk }),
  )
  cluster.onChange = (node) => {
    for (const proxy of proxies) proxy.noteNode(node)
  }
  const world: SimWorld = {
    get now() {
      return queue.now
    },
    cluster,
    proxies,
  }
  for (const proxy of proxies) queue.after(0, () => proxy.start())
  for (const fault of plan.faults) {
    queue.after(fault.at, () => {
      const what = applyFault(fault, world, random)
      if (what === null) return
      listener.count(`fault ${fault.kind}`)
      tell(`${describeFault(fault)}${what === '' ? '' : `: ${what}`}`)
    })
  }
  const checkProgress = (): void => {
    for (const proxy of proxies) proxy.checkProgress()
    queue.after(PROGRESS_CHECK_MS, checkProgress)
  }
  queue.after(PROGRESS_CHECK_MS, checkProgress)

  let chosen = ''
  if (plan.healAt !== null) {
    const { healAt } = plan
    queue.after(healAt, () => {
      chosen = heal(world, queue)
      tell(`everything is put right; ${chosen} is to be primary`)
    })
    queue.after(healAt + OPERATOR_LOOKS_MS, () => {
      for (const each of finishHealing(world, chosen)) {
        listener.count('orders while healing')
        tell(`an operator orders ${each} to accept ${chosen}`)
      }
    })
    queue.after(healAt + LIVENESS_BOUND_MS, () => {
      for (const proxy of proxies) proxy.checkHealed(chosen)
    })
  }

  while (queue.step(plan.endAt)) {
    await settled()
    for (const proxy of proxies) proxy.checkStep()
    options.onStep?.(world)
    if (violations.length > 0 && options.stopsEarly === true) break
    // One is enough of each; a story of thousands helps nobody.
    if (violations.length > 20) break
  }
  if (violations.length === 0) {
    for (const proxy of proxies) await proxy.stop()
  }
  listener.count('stepped ms', queue.now)
  return { violations, figures, story }
}
