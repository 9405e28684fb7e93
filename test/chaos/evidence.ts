/**
 * What a proxy knew, or must have known, at a time: from the epochs it told itself, and from what the nodes really were
 * while nothing lay between them and the proxy. Pure, for the checker; every question errs on the side of the proxy.
 */
import type { CheckLimits } from './check-limits.ts'
import type { TruthEvent } from './history.ts'
import type { Fault, HistoryIndex, ToldEpoch } from './history-index.ts'

/** Truth is sampled every 100 ms; on a busy machine some are late. */
const SAMPLE_GAP_MAX_MS = 700

/** Faults that work at some time between the two, both included. */
export function faultsDuring({ faults }: HistoryIndex, from: number, to: number): readonly Fault[] {
  return faults.filter((fault) => fault.from <= to && fault.to >= from)
}

/** One of the faults stops, kills or freezes this host, or its proxy is not what it was before. */
export function touchesHost({ effect, target }: Fault, host: string): boolean {
  const { frozen, down, nameless, stepped, diskFull, sessionsLost, forgets } = effect
  const lists = [frozen, down, nameless, stepped, diskFull, sessionsLost, forgets]
  const isNowhere = Object.values(effect).every((list) => list === undefined || list.length === 0)
  // A fault that says nothing of its effect may do anything to its target.
  return lists.some((list) => list?.includes(host)) || (isNowhere && target === host)
}

/** Nothing arrives between the two, in one direction or both. */
export function cutsPath({ effect }: Fault, one: string, other: string): boolean {
  return joins(effect.cut, one, other)
}

/** Packets between the two do not all arrive in time, in one direction or both. */
export function touchesPath({ effect }: Fault, one: string, other: string): boolean {
  return joins(effect.cut, one, other) || joins(effect.impaired, one, other)
}

function joins(pairs: Fault['effect']['cut'], one: string, other: string): boolean {
  return pairs?.some(([from, to]) => (from === one && to === other) || (from === other && to === one)) === true
}

/** For all of this time the proxy ran, undisturbed, and so did its way to the node. */
export function couldSee(index: HistoryIndex, proxy: string, node: string, from: number, to: number): boolean {
  const isTouched = faultsDuring(index, from, to).some(
    (fault) => touchesHost(fault, proxy) || touchesHost(fault, node) || touchesPath(fault, proxy, node),
  )
  const isStarting = (index.processes.get(proxy) ?? []).some(({ at }) => at >= from && at <= to)
  const isOrdered = index.operators.some(({ action, from: begin, to: end }) => {
    return action.startsWith('proxy-') && begin <= to && end >= from
  })
  return !isTouched && !isStarting && !isOrdered
}

/** Samples of a node, with those just outside at both ends. */
function samples(index: HistoryIndex, node: string, from: number, to: number): readonly TruthEvent[] {
  const all = index.truths.get(node) ?? []
  const first = Math.max(0, countUntil(all, from) - 1)
  let last = countUntil(all, to)
  while (last < all.length && (all[last]?.askedAt ?? to) < to) last += 1
  return all.slice(first, last + 1)
}

/** How many events, which are in order, came until then. */
function countUntil(events: readonly { readonly at: number }[], until: number): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((events[middle]?.at ?? 0) <= until) low = middle + 1
    else high = middle
  }
  return low
}

/** The timeline on which the node took writes for all of this time, its own row saying so too; `null` if it did not. */
export function heldTimeline(index: HistoryIndex, node: string, from: number, to: number): number | null {
  const seen = samples(index, node, from, to)
  const [first] = seen
  const last = seen.at(-1)
  if (first === undefined || last === undefined || first.at > from || last.askedAt < to) return null
  const { timelineId } = first
  const isSteady = seen.every(
    (each) => each.inRecovery === false && each.confirmed === true && each.timelineId === timelineId,
  )
  const hasGap = seen.some((each, i) => each.at - (seen[i - 1] ?? each).at > SAMPLE_GAP_MAX_MS)
  return isSteady && !hasGap ? timelineId : null
}

/** Whether another than `node` was, or may have been, out of recovery on this timeline or a higher one. */
function hasRival(index: HistoryIndex, node: string, timelineId: number, from: number, to: number): boolean {
  return [...index.truths.keys()].some(
    (other) =>
      other !== node &&
      samples(index, other, from, to).some((each) => each.inRecovery === false && (each.timelineId ?? 0) >= timelineId),
  )
}

/**
 * Who must have been known to the proxy as the primary, on a timeline above `timelineId`, since `evidenceMs` before `at`:
 * the only node on the highest timeline, sanctioned by its own row, in plain sight for all of that time. `null`: nobody.
 * Such a node is accepted whatever else is claimed, so that nobody may write anywhere else.
 */
export function knownSuccessor(
  index: HistoryIndex,
  proxy: string,
  timelineId: number,
  at: number,
  { evidenceMs }: CheckLimits,
): { readonly node: string; readonly timelineId: number } | null {
  const from = at - evidenceMs
  for (const node of index.truths.keys()) {
    const held = heldTimeline(index, node, from, at)
    if (held === null || held <= timelineId || hasRival(index, node, held, from, at)) continue
    if (couldSee(index, proxy, node, from, at)) return { node, timelineId: held }
  }
  return null
}

/**
 * Which nodes were the one of the proxy's epoch at some time between the two, by its log; a line may be read so much
 * later than it was written. `null`: it has told nothing yet, or lost its memory, so that it may be anybody.
 */
export function epochNodes(
  index: HistoryIndex,
  proxy: string,
  from: number,
  to: number,
  { logLagMs }: CheckLimits,
): ReadonlySet<string> | null {
  const told = index.epochs.get(proxy) ?? []
  const first = told.findLastIndex(({ at }) => at <= from)
  const during = told.slice(Math.max(0, first)).filter(({ at }) => at <= to + logLagMs)
  if (first === -1 || during.some(({ epoch }) => epoch === null)) return null
  return new Set(during.flatMap(({ epoch }) => (epoch === null ? [] : [epoch.node])))
}

/** The epoch that the proxy had told at `at`; `null` as in `epochNodes`. */
export function epochAt(index: HistoryIndex, proxy: string, at: number): ToldEpoch['epoch'] {
  return (index.epochs.get(proxy) ?? []).findLast((told) => told.at <= at)?.epoch ?? null
}

/** Times in which the proxy lost its memory, or an operator told it whom to believe: what it knew before may not hold. */
export function memoryBreaks(
  index: HistoryIndex,
  proxy: string,
): readonly { readonly from: number; readonly to: number }[] {
  const losses = index.faults.filter(({ effect }) => effect.forgets?.includes(proxy) === true)
  const orders = index.operators.filter(({ action }) => action === 'proxy-accept')
  return [...losses, ...orders]
}
