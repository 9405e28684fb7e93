/**
 * What `--observe` has seen, added up: where sessions would have gone, waited and ended, and what was wrong. A pure
 * reducer: times come in, every list is bounded. It routes nobody and asks nobody.
 */
import type { FailureClass, Observation } from '../topology/observation.ts'
import { judgeSession } from '../topology/session-verdict.ts'
import type { Decision, TopologyKind, TopologyState } from '../topology/topology-state.ts'
import { Spans } from './observed-spans.ts'

/** Changes of primary, holds and ends that are listed; all are counted. */
export const LISTED_MAX = 100
/** Different warnings, and nodes with failures. */
const NAMES_MAX = 100

/** A moment on both clocks. */
export interface Moment {
  /** Monotonic milliseconds. */
  readonly at: number
  readonly wallTime: Date
}

export interface ObservedTime {
  readonly forMs: number
  /** Of the time observed, 0 to 100. */
  readonly percent: number
}

export interface ObservedPrimary {
  readonly node: string
  readonly timelineId: number | null
  readonly since: string
}

export interface ObservedHold {
  readonly since: string
  readonly forMs: number
  /** The sentence with which it began. */
  readonly reason: string
}

export interface ObservedEnd {
  readonly at: string
  readonly node: string
  /** Completes "node1 …". */
  readonly why: string
}

export interface ObservationReport {
  /** When every node had been asked once. `null`: not yet, and all else is empty. */
  readonly since: string | null
  readonly forMs: number
  readonly now: { readonly state: TopologyKind; readonly primary: string | null; readonly reason: string } | null
  readonly states: readonly (ObservedTime & { readonly state: TopologyKind })[]
  /** Where new sessions would have gone. */
  readonly routed: readonly (ObservedTime & { readonly node: string })[]
  /** Oldest first, the last 100; the first is what was found at the beginning. */
  readonly primaries: readonly ObservedPrimary[]
  readonly changes: number
  /** New sessions would have waited. */
  readonly holds: ObservedTime & {
    readonly count: number
    readonly longestMs: number
    readonly last: readonly ObservedHold[]
  }
  /** Running sessions would have been ended by the proxy. */
  readonly ends: { readonly count: number; readonly last: readonly ObservedEnd[] }
  readonly warnings: readonly {
    readonly warning: string
    readonly times: number
    readonly forMs: number
    readonly isOn: boolean
  }[]
  readonly probes: readonly {
    readonly node: string
    readonly asked: number
    readonly failed: Readonly<Partial<Record<FailureClass, number>>>
  }[]
}

interface ProbeCount {
  asked: number
  readonly failed: Map<FailureClass, number>
}

export class ObservationRecord {
  readonly #states = new Spans<TopologyKind>()
  readonly #routed = new Spans<string>()
  readonly #warnings = new Map<string, { times: number; forMs: number; onSince: number | null }>()
  readonly #probes = new Map<string, ProbeCount>()
  readonly #primaries: ObservedPrimary[] = []
  readonly #holds: ObservedHold[] = []
  readonly #ends: ObservedEnd[] = []
  /** Nodes that sessions would be on. */
  readonly #inUse = new Set<string>()
  #since: Moment | null = null
  #now: ObservationReport['now'] = null
  #changes = 0
  #hold: { readonly began: Moment; readonly reason: string } | null = null
  #holdCount = 0
  #holdMs = 0
  #longestHoldMs = 0
  #endCount = 0

  /** Each decision, also those that repeat the one before. What was decided before every node was asked is not counted. */
  takeDecision(decision: Decision, state: TopologyState, moment: Moment): void {
    // It has just begun to look, and puts the primary that it found to disk: nobody would have waited for that.
    if (!state.settled || (this.#since === null && decision.accept !== null)) return
    this.#since ??= moment
    const { kind, primary, reason } = decision
    this.#now = { state: kind, primary, reason }
    this.#states.take(kind, moment.at)
    this.#routed.take(primary, moment.at)
    this.#takeEnds(decision, moment)
    this.#takePrimary(primary, state, moment)
    this.#takeHold(primary, reason, moment)
    this.#takeWarnings(decision.warnings, moment.at)
  }

  takeObservation(node: string, observation: Observation): void {
    if (!this.#probes.has(node) && this.#probes.size >= NAMES_MAX) return
    const count = this.#probes.get(node) ?? { asked: 0, failed: new Map() }
    this.#probes.set(node, count)
    count.asked += 1
    if (observation.kind === 'answered') return
    count.failed.set(observation.failure, (count.failed.get(observation.failure) ?? 0) + 1)
  }

  /** What runs counts up to `at`. */
  read({ at }: Pick<Moment, 'at'>): ObservationReport {
    const forMs = this.#since === null ? 0 : at - this.#since.at
    const time = (spentMs: number): ObservedTime => ({
      forMs: spentMs,
      percent: forMs === 0 ? 0 : (100 * spentMs) / forMs,
    })
    const hold = this.#hold === null ? null : describeHold(this.#hold, at)
    const holdMs = this.#holdMs + (hold?.forMs ?? 0)
    return {
      since: this.#since?.wallTime.toISOString() ?? null,
      forMs,
      now: this.#now,
      states: this.#states.read(at).map(([state, spentMs]) => ({ state, ...time(spentMs) })),
      routed: this.#routed.read(at).map(([node, spentMs]) => ({ node, ...time(spentMs) })),
      primaries: [...this.#primaries],
      changes: this.#changes,
      holds: {
        count: this.#holdCount,
        ...time(holdMs),
        longestMs: Math.max(this.#longestHoldMs, hold?.forMs ?? 0),
        last: hold === null ? [...this.#holds] : [...this.#holds, hold],
      },
      ends: { count: this.#endCount, last: [...this.#ends] },
      warnings: [...this.#warnings].map(([warning, { times, forMs: before, onSince }]) => {
        return { warning, times, forMs: before + (onSince === null ? 0 : at - onSince), isOn: onSince !== null }
      }),
      probes: [...this.#probes].map(([node, { asked, failed }]) => ({
        node,
        asked,
        failed: Object.fromEntries(failed),
      })),
    }
  }

  #takeEnds(decision: Decision, { wallTime }: Moment): void {
    for (const node of this.#inUse) {
      const session = { node, access: 'write', isMovable: false, onPromotion: 'keep' } as const
      const fate = judgeSession(session, decision)
      if (fate.kind !== 'leave') continue
      this.#inUse.delete(node)
      this.#endCount += 1
      addListed(this.#ends, { at: wallTime.toISOString(), node, why: fate.why })
    }
    if (decision.primary !== null) this.#inUse.add(decision.primary)
  }

  #takePrimary(primary: string | null, { epoch }: TopologyState, { wallTime }: Moment): void {
    const last = this.#primaries.at(-1)
    const timelineId = epoch?.timelineId ?? null
    if (primary === null || (last?.node === primary && last.timelineId === timelineId)) return
    if (last !== undefined) this.#changes += 1
    addListed(this.#primaries, { node: primary, timelineId, since: wallTime.toISOString() })
  }

  #takeHold(primary: string | null, reason: string, moment: Moment): void {
    if (primary === null && this.#hold === null) {
      this.#hold = { began: moment, reason }
      this.#holdCount += 1
    } else if (primary !== null && this.#hold !== null) {
      const over = describeHold(this.#hold, moment.at)
      this.#holdMs += over.forMs
      this.#longestHoldMs = Math.max(this.#longestHoldMs, over.forMs)
      addListed(this.#holds, over)
      this.#hold = null
    }
  }

  #takeWarnings(warnings: readonly string[], at: number): void {
    for (const warning of warnings) {
      const known = this.#warnings.get(warning)
      if (known === undefined && this.#warnings.size < NAMES_MAX) {
        this.#warnings.set(warning, { times: 1, forMs: 0, onSince: at })
      } else if (known !== undefined && known.onSince === null) {
        known.times += 1
        known.onSince = at
      }
    }
    for (const [warning, known] of this.#warnings) {
      if (known.onSince === null || warnings.includes(warning)) continue
      known.forMs += at - known.onSince
      known.onSince = null
    }
  }
}

function describeHold(
  { began, reason }: { readonly began: Moment; readonly reason: string },
  at: number,
): ObservedHold {
  return { since: began.wallTime.toISOString(), forMs: at - began.at, reason }
}

function addListed<T>(list: T[], item: T): void {
  list.push(item)
  if (list.length > LISTED_MAX) list.shift()
}
