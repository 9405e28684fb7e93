/**
 * What the core's callers need from the world. Effects implement these; tests give their own.
 */
import type { NodeAddress, Observation } from './topology/observation.ts'
import type { Epoch } from './topology/topology-state.ts'

/** Time. Elapsed time is always monotonic; wall time is for people to read. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back, never jumps with the wall clock. */
  readonly now: () => number
  /** Wall time, for logs, the epoch file and the status page only. */
  readonly wallTime: () => Date
  /** Runs `callback` once after `delayMs`; the returned function cancels it and may be called at any time. */
  readonly schedule: (delayMs: number, callback: () => void) => () => void
}

/** Asks one node. Keeps its monitoring session open between probes. Never two probes at a time. */
export interface Prober {
  /**
   * One probe: connects when needed, asks once, within the time limit. Never rejects: a failure is an observation.
   * With `fresh` a new connection is opened and asked, and replaces the old one only if the server took it: that is
   * how a server that no longer takes anybody is told from one that merely keeps its old sessions.
   */
  readonly probe: (options: { readonly fresh: boolean }) => Promise<Observation>
  /** Ends the monitoring session (Terminate, then close). Idempotent. */
  readonly close: () => Promise<void>
}

/** A node to probe and route to. `nodeId` is repmgr's, `null` while unknown. */
export interface NodeIdentity {
  /** The name in the config, or repmgr's `node_name` for a discovered node. Unique. */
  readonly name: string
  readonly address: NodeAddress
}

/** What survives a restart: evidence and operators' orders, never a verdict. */
export interface PersistentState {
  readonly epoch: Epoch | null
  /** Names of nodes that an operator has fenced. */
  readonly fenced: readonly string[]
}

/** Keeps the persistent state on disk. */
export interface StateStore {
  /** Resolves when it is on disk for good (fsync). Rejects when it is not: then nothing may be acted on. */
  readonly save: (state: PersistentState) => Promise<void>
}
