/**
 * What a simulation is made of, as data: the cluster, the proxies, and every fault with its time. Test support. A plan and
 * nothing else decides what happens, so that it can be kept, replayed and made smaller.
 */
import type { Policy } from '../../src/topology/situation.ts'

/** Who a fault happens to: a node by its name, or by what it is when the time has come. */
export type Target = string | 'primary' | 'standby' | 'other-primary' | 'last-down'

export const FAULT_KINDS = [
  'crash',
  'power-off',
  'freeze',
  'thaw',
  'start',
  'start-without-signal',
  'shut-down',
  'promote',
  'promote-by-hand',
  'register',
  'rejoin',
  'follow',
  'initialise',
  'restore',
  'fill',
  'empty',
  'deny-logins',
  'allow-logins',
  'lag',
  'read-only',
  'lose-name',
  'find-name',
  'cut-nodes',
  'mend-nodes',
  'cut',
  'cut-out',
  'cut-back',
  'break',
  'reject',
  'lose',
  'delay',
  'mend',
  'proxy-crash',
  'proxy-start',
  'proxy-forget',
  'proxy-pause',
  'reload',
  'disk-fail',
  'disk-slow',
  'disk-mend',
  'notify',
  'fence',
  'unfence',
  'accept',
  'clients',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  /** Milliseconds since the simulation began. */
  readonly at: number
  readonly kind: FaultKind
  readonly target?: Target
  /** The other end of `cut-nodes`, or the new upstream. */
  readonly other?: Target
  /** Which proxy; left out: the first. */
  readonly proxy?: number
  /** Per cent, milliseconds or a number of sessions. */
  readonly amount?: number
}

export interface Timing {
  readonly intervalMs: number
  readonly fastIntervalMs: number
  readonly timeoutMs: number
  readonly decisionTtlMs: number
}

export interface Setup {
  readonly nodeCount: number
  readonly hasWitness: boolean
  readonly hasRepmgr: boolean
  /** How many of the nodes the configuration lists; the others have to be discovered. */
  readonly listedCount: number
  readonly proxyCount: number
  /** The proxies know the first primary from before. */
  readonly isWarm: boolean
  readonly policy: Policy
  readonly timing: Timing
  readonly holdTimeoutMs: number
  readonly holdSessionsMax: number
  readonly releaseRate: number
  readonly onPromotion: 'keep' | 'end'
}

export interface Plan {
  /** For what is left to chance inside: latencies, how long a start takes. */
  readonly seed: number
  readonly setup: Setup
  /** By time. */
  readonly faults: readonly Fault[]
  /** When the faults are over and everything is put right; `null`: never. */
  readonly healAt: number | null
  readonly endAt: number
}

/** The defaults of the configuration. */
export const DEFAULT_SETUP: Setup = {
  nodeCount: 3,
  hasWitness: false,
  hasRepmgr: true,
  listedCount: 3,
  proxyCount: 1,
  isWarm: true,
  policy: { requireMajority: false, graceMs: 2_000, endSessionsWhenRefused: true, failuresToCount: 3 },
  timing: { intervalMs: 500, fastIntervalMs: 50, timeoutMs: 1_000, decisionTtlMs: 5_000 },
  holdTimeoutMs: 30_000,
  holdSessionsMax: 1_000,
  releaseRate: 200,
  onPromotion: 'keep',
}
