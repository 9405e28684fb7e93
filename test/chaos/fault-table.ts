/**
 * How each kind of fault of a chaos run is put in place and taken back, and what it does as facts for the checker. Test
 * support. One entry for each kind, by what it befalls: faults-of-nodes.ts, faults-of-network.ts, faults-of-proxies.ts.
 */
import type { FaultKind, PlannedFault } from './fault.ts'
import { NETWORK_FAULTS } from './faults-of-network.ts'
import { NODE_FAULTS } from './faults-of-nodes.ts'
import { PROXY_FAULTS } from './faults-of-proxies.ts'
import type { FaultEffect } from './history.ts'
import type { ChaosStage } from './stage.ts'

/** A fault whose target is known. */
export interface FaultAtWork {
  readonly target: string
  /** For people: what else there is to say. */
  readonly detail: string
  readonly effect: FaultEffect
  /** It is over when `begin` is. */
  readonly isBrief?: true
  begin(): Promise<void>
  /** Puts right what it broke, in whatever state it finds it. */
  end(): Promise<void>
}

/** Finds out whom it befalls; breaks nothing yet. */
export type FaultMaker = (stage: ChaosStage, planned: PlannedFault) => FaultAtWork

/** By kind. */
export const FAULT_TABLE: Readonly<Record<FaultKind, FaultMaker>> = {
  ...NODE_FAULTS,
  ...NETWORK_FAULTS,
  ...PROXY_FAULTS,
}
