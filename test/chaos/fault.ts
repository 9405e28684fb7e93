/** What a fault of a chaos run is: a kind, whom it befalls, for how long. Test support. Pure; fault-table.ts carries it out. */

/** Each kind has an entry in fault-table.ts. */
export const FAULT_KINDS = [
  'primary-killed',
  'postmaster-killed',
  'primary-stopped',
  'primary-frozen',
  'primary-power-off',
  'primary-unplugged',
  'primary-cut-from-nodes',
  'primary-sends-nothing',
  'primary-hears-nothing',
  'split-in-two',
  'switchover',
  'standby-killed',
  'standby-frozen',
  'standby-unplugged',
  'proxy-cut-from-primary',
  'proxy-cut-from-nodes',
  'proxy-hears-no-primary',
  'proxy-unheard-by-primary',
  'proxy-unplugged',
  'packets-lost',
  'packets-late',
  'names-refused',
  'names-silent',
  'clock-ahead',
  'clock-back',
  'proxy-frozen',
  'proxy-disk-full',
  'proxy-out-of-memory',
  'proxy-power-off',
  'proxy-restarted',
  'proxy-forgets',
  'proxy-upgraded',
  'worker-killed',
  'worker-frozen',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** Those that may make repmgr promote another node; the others go along with them, or come alone. */
export const MAJOR_KINDS = [
  'primary-killed',
  'postmaster-killed',
  'primary-stopped',
  'primary-frozen',
  'primary-power-off',
  'primary-unplugged',
  'primary-cut-from-nodes',
  'primary-sends-nothing',
  'primary-hears-nothing',
  'split-in-two',
  'switchover',
] as const satisfies readonly FaultKind[]

/** A fault in a plan. Who is "the primary" is seen when its time has come. */
export interface PlannedFault {
  readonly kind: FaultKind
  /** After the episode began. */
  readonly atMs: number
  readonly durationMs: number
  /** Of the two proxies: which, where one is meant. */
  readonly proxy: 'proxy1' | 'proxy2'
  /** Of the two standbys: which, by order of name. */
  readonly standby: 0 | 1
}

/** One round of faults, after which all is put right. */
export interface Episode {
  readonly index: number
  /** By time. */
  readonly faults: readonly PlannedFault[]
  /** How the operator brings nodes back that have strayed. */
  readonly repair: 'rejoin' | 'clone'
}
