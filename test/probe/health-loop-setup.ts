/**
 * A health loop over probers and a store that do what the test says, with a diary of what came in which order. Test
 * support.
 */
import type { NodeIdentity, PersistentState, StateStore } from '../../src/ports.ts'
import { HealthLoop, type HealthSettings } from '../../src/probe/health-loop.ts'
import type { Decision } from '../../src/topology/topology-state.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { member, POLICY } from '../topology/scenario.ts'
import { FakeProber } from './fake-prober.ts'

/** Saves at once, or when it is told to, or not at all. */
export class FakeStore implements StateStore {
  readonly saved: PersistentState[] = []
  mode: 'works' | 'hangs' | 'fails' = 'works'
  onSaved: (state: PersistentState) => void = () => undefined
  #waiting: (() => void)[] = []

  readonly save = async (state: PersistentState): Promise<void> => {
    if (this.mode === 'fails') throw new Error('no space left on device')
    if (this.mode === 'hangs') await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.saved.push(state)
    this.onSaved(state)
  }

  /** Lets the saves that hang come to their end, in order, and saves work from then on. */
  resume(): void {
    this.mode = 'works'
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

export interface HealthLoopSetupOptions {
  /** What each node says, in the notation of topology/scenario.ts; `null`: it does not answer. */
  readonly says: Readonly<Record<string, string | null>>
  /** Names of the configured nodes; by default all that say something. */
  readonly configured?: readonly string[]
  readonly restored?: PersistentState
  readonly settings?: Partial<HealthSettings>
}

export const INTERVAL_MS = 500
export const FAST_INTERVAL_MS = 50

export function setUpHealthLoop(options: HealthLoopSetupOptions) {
  const clock = new FakeClock()
  const store = new FakeStore()
  const names = Object.keys(options.says)
  const everybody = names.map(member)
  const configured = (options.configured ?? names).map(member)
  const diary: string[] = []
  const decisions: Decision[] = []
  const says = new Map<string, string | null>(Object.entries(options.says))
  /** The prober of each node that was made last. */
  const probers = new Map<string, FakeProber>()
  const made: FakeProber[] = []
  let amend: (prober: FakeProber, node: NodeIdentity) => void = () => undefined
  const settings: HealthSettings = {
    nodes: configured,
    discovery: 'none',
    policy: POLICY,
    intervalMs: INTERVAL_MS,
    fastIntervalMs: FAST_INTERVAL_MS,
    ...options.settings,
  }
  store.onSaved = ({ epoch }) => diary.push(`saved ${epoch === null ? 'none' : `${epoch.timelineId} ${epoch.node}`}`)
  const loop = new HealthLoop({
    clock,
    store,
    settings,
    restored: options.restored ?? { epoch: null, fenced: [] },
    createProber: (node) => {
      const prober = new FakeProber({ node, members: everybody, now: clock.now, says: says.get(node.name) ?? null })
      amend(prober, node)
      probers.set(node.name, prober)
      made.push(prober)
      return prober
    },
    events: {
      onDecision: (decision) => {
        decisions.push(decision)
        const line = decision.primary ?? (decision.accept === null ? 'hold' : `accepting ${decision.accept.node}`)
        if (diary.at(-1) !== line) diary.push(line)
      },
      onMembers: (added, removed) => {
        const signed = [...added.map(({ name }) => `+${name}`), ...removed.map(({ name }) => `-${name}`)]
        diary.push(signed.join(' '))
      },
      onEpochSaved: (epoch) => diary.push(`told of ${epoch.timelineId} ${epoch.node}`),
      onSaveFailed: (epoch, error) => diary.push(`${epoch.node} not saved: ${error.message}`),
    },
  })
  return {
    clock,
    store,
    loop,
    diary,
    decisions,
    settings,
    made,
    prober(name: string): FakeProber {
      const prober = probers.get(name)
      if (prober === undefined) throw new Error(`${name} is not probed`)
      return prober
    },
    /** From now on. */
    say(name: string, said: string | null): void {
      says.set(name, said)
      probers.get(name)?.say(said)
    },
    /** What is done with each prober that is made from now on. */
    onProber(callback: (prober: FakeProber, node: NodeIdentity) => void): void {
      amend = callback
    },
    /** How often a node was asked, all its probers together. */
    timesAsked: () => made.reduce((sum, prober) => sum + prober.asked.length, 0),
  }
}
