/**
 * What a chaos run did, in figures: faults by kind, failovers, what it cost the machine; and whether that was enough to
 * mean anything. Test support. Pure. What the clients saw is the checker's.
 */
import type { ClientFigures } from './client-figures.ts'
import type { EpisodeReport } from './episode.ts'
import { FAULT_KINDS, type FaultKind, MAJOR_KINDS } from './fault.ts'

/** Below these a run has shown nothing. */
const MINUTES_PER_FAILOVER_MAX = 3
const FAULTS_PER_MINUTE_MIN = 1
const WRITES_PER_MINUTE_MIN = 200
/** Orders that a cluster or a proxy in the midst of other faults may have to refuse. */
const MAY_FAIL: readonly string[] = ['switchover', 'proxy-upgraded'] satisfies readonly FaultKind[]

export interface ChaosFigures {
  readonly seed: number
  readonly seconds: number
  /** Of the whole machine, by all that the run started. */
  readonly cpuSeconds: number
  /** On disk at the end, before anything is removed. */
  readonly mebibytes: number
  readonly reports: readonly EpisodeReport[]
  readonly clients: ClientFigures
}

/** How often a kind of fault came up, and how often it could not be carried out in the midst of others. */
export interface FaultTally {
  readonly kind: FaultKind
  readonly count: number
  readonly problems: number
}

export function tallyFaults(reports: readonly EpisodeReport[]): readonly FaultTally[] {
  const all = reports.flatMap(({ faults }) => faults)
  return FAULT_KINDS.map((kind) => {
    const own = all.filter((fault) => fault.kind === kind)
    return { kind, count: own.length, problems: own.filter(({ problem }) => problem !== null).length }
  })
}

/** Episodes after which another node is the primary; within one it may have moved more than once. */
export function failoverCount(reports: readonly EpisodeReport[]): number {
  return reports.filter(({ primaryBefore, primaryAfter }) => primaryBefore !== primaryAfter).length
}

/** The table of faults, for the end of a run. */
export function formatFaults({ reports, seconds, cpuSeconds, mebibytes }: ChaosFigures): readonly string[] {
  const tallies = tallyFaults(reports)
  const met = tallies.filter(({ count }) => count > 0)
  const lines = met.map(({ kind, count, problems }) => {
    return `  ${kind.padEnd(26)} ${String(count).padStart(4)}${problems === 0 ? '' : `  ${problems} did not work`}`
  })
  const total = met.reduce((sum, { count }) => sum + count, 0)
  return [
    '',
    `${reports.length} episodes, ${total} faults of ${met.length} kinds (of ${FAULT_KINDS.length})`,
    ...lines,
    `primary moved in ${failoverCount(reports)} episodes`,
    `${Math.round(seconds)} s, ${(cpuSeconds / seconds).toFixed(2)} cores on average, ${mebibytes} MiB on disk`,
  ]
}

/** Why the run has not shown what it should; empty when it has. */
export function enoughHappened({ reports, clients }: ChaosFigures, minutes: number): readonly string[] {
  const problems: string[] = []
  const hasMajor = reports.length === 0 || reports.some(({ faults }) => faults.some(({ kind }) => isMajor(kind)))
  const failoversMin = hasMajor ? Math.floor(minutes / MINUTES_PER_FAILOVER_MAX) : 0
  const failovers = failoverCount(reports)
  if (failovers < failoversMin) problems.push(`only ${failovers} failovers, ${failoversMin} are the least`)
  const faults = reports.flatMap((report) => report.faults).length
  if (faults < minutes * FAULTS_PER_MINUTE_MIN) problems.push(`only ${faults} faults in ${minutes} minutes`)
  const writesMin = minutes * WRITES_PER_MINUTE_MIN
  const { writesAcknowledged } = clients
  if (writesAcknowledged < writesMin) problems.push(`only ${writesAcknowledged} writes, ${writesMin} are the least`)
  for (const { kind, problem } of reports.flatMap((report) => report.faults)) {
    if (problem !== null && !MAY_FAIL.includes(kind)) problems.push(`${kind} did not work: ${problem}`)
  }
  return problems
}

function isMajor(kind: string): boolean {
  return (MAJOR_KINDS as readonly string[]).includes(kind)
}
