/**
 * Counts of all workers together, those that have ended included: a total never falls because a process is gone. Pure.
 */
import { CLOSE_REASON_KINDS, type CloseReasonKind } from '../session/close-reason.ts'
import type { SessionFigures, Traffic } from '../session/session-figures.ts'

/** What is added up of a worker, and kept of one that has ended. */
export interface Totals {
  readonly acceptedCount: number
  readonly endedCounts: Readonly<Record<CloseReasonKind, number>>
  readonly totals: { readonly held: number; readonly released: number }
}

export function noEnds(): Record<CloseReasonKind, number> {
  return Object.fromEntries(CLOSE_REASON_KINDS.map((kind) => [kind, 0])) as Record<CloseReasonKind, number>
}

export function addTotals(all: readonly Totals[]): Totals {
  const endedCounts = noEnds()
  let [acceptedCount, held, released] = [0, 0, 0]
  for (const each of all) {
    acceptedCount += each.acceptedCount
    held += each.totals.held
    released += each.totals.released
    for (const kind of CLOSE_REASON_KINDS) endedCounts[kind] += each.endedCounts[kind]
  }
  return { acceptedCount, endedCounts, totals: { held, released } }
}

/** Sessions that never came to count themselves: they were accepted, and ended so. */
export function endedUncounted(kind: CloseReasonKind, count: number): Totals {
  return { acceptedCount: count, endedCounts: { ...noEnds(), [kind]: count }, totals: { held: 0, released: 0 } }
}

/** Sessions that a worker had counted as accepted, and that ended with it. */
export function endedWith(kind: CloseReasonKind, count: number): Totals {
  return { ...endedUncounted(kind, count), acceptedCount: 0 }
}

export function addTraffic(all: readonly Traffic[]): Traffic {
  return {
    fromClient: all.reduce((sum, { fromClient }) => sum + fromClient, 0),
    toClient: all.reduce((sum, { toClient }) => sum + toClient, 0),
  }
}

export function addFigures(all: readonly SessionFigures[], endedTraffic: Traffic): SessionFigures {
  const active = new Map<string, SessionFigures['active'][number]>()
  const held = new Map<string, number>()
  for (const figures of all) {
    for (const each of figures.active) {
      const key = JSON.stringify([each.listener, each.node])
      active.set(key, { ...each, count: each.count + (active.get(key)?.count ?? 0) })
    }
    for (const [listener, count] of figures.held) held.set(listener, count + (held.get(listener) ?? 0))
  }
  return {
    active: [...active.values()],
    held,
    traffic: addTraffic([...all.map(({ traffic }) => traffic), endedTraffic]),
  }
}
