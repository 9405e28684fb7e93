/**
 * Why a session may have ended, or a connect may have failed, without anybody's fault but the fault's. Pure, for the
 * checker. Doubt is no cause: a node that is frozen, or cut off for less than TCP's patience, ends nothing.
 */
import type { CheckLimits } from './check-limits.ts'
import { cutsPath, faultsDuring } from './evidence.ts'
import type { HistoryIndex } from './history-index.ts'

/** Where the clients are. */
export const CLIENTS = 'clients'

/**
 * The proxy had no process for a while, or was told to let its sessions go, or its clients could not reach it at all.
 * Packets that are late or partly lost end no connection.
 */
export function proxyWasAway(index: HistoryIndex, proxy: string, from: number, to: number): boolean {
  const lostSome = faultsDuring(index, from, to).some(({ effect }) => effect.sessionsLost?.includes(proxy))
  return lostSome || proxyWasUnreachable(index, proxy, from, to)
}

/** As `proxyWasAway`, but sessions that were lost are no cause: their clients are told at once. */
export function proxyWasUnreachable(index: HistoryIndex, proxy: string, from: number, to: number): boolean {
  return faultsDuring(index, from, to).some((fault) => {
    const { down, forgets } = fault.effect
    return [down, forgets].some((list) => list?.includes(proxy)) || cutsPath(fault, CLIENTS, proxy)
  })
}

/** The proxy stood still: nobody got an answer from it. */
export function proxyWasFrozen(index: HistoryIndex, proxy: string, from: number, to: number): boolean {
  return faultsDuring(index, from, to).some(({ effect }) => effect.frozen?.includes(proxy))
}

/** The server was killed, stopped or started again, by a fault, an operator, repmgr or itself. */
export function serverEnded(index: HistoryIndex, node: string, from: number, to: number): boolean {
  if (faultsDuring(index, from, to).some(({ effect }) => effect.down?.includes(node))) return true
  if (operatorWorked(index, node, from, to)) return true
  const truths = index.truths.get(node) ?? []
  const first = truths.findLastIndex((each) => each.startedAt !== null && each.at <= from)
  const last = truths.findIndex((each) => each.startedAt !== null && each.askedAt >= to)
  const seen = truths.slice(Math.max(0, first), last === -1 ? truths.length : last + 1)
  return new Set(seen.flatMap(({ startedAt }) => startedAt ?? [])).size > 1
}

/** An operator stopped, started, promoted or repaired this server. */
export function operatorWorked({ operators }: HistoryIndex, node: string, from: number, to: number): boolean {
  return operators.some((work) => work.target === node && work.from <= to && work.to >= from)
}

/** The proxy has told that it accepted another node than this one. */
export function anotherWasAccepted(
  { epochs }: HistoryIndex,
  proxy: string,
  node: string,
  from: number,
  to: number,
  { logLagMs }: CheckLimits,
): boolean {
  return (epochs.get(proxy) ?? []).some(
    ({ at, epoch, how }) => how === 'accepted' && epoch?.node !== node && at >= from && at <= to + logLagMs,
  )
}

/** Nothing passed between the two for so long that TCP itself gives the connection up. */
export function pathWasLost(
  index: HistoryIndex,
  one: string,
  other: string,
  from: number,
  to: number,
  limits: CheckLimits,
): boolean {
  return faultsDuring(index, from, to).some((fault) => {
    const lostMs = Math.min(fault.to, to) - fault.from
    return cutsPath(fault, one, other) && lostMs >= limits.tcpLimitMs
  })
}

/** The node has been out of recovery at some time: a standby that was promoted, or a primary. */
export function wasOutOfRecovery({ truths }: HistoryIndex, node: string, from: number, to: number): boolean {
  return (truths.get(node) ?? []).some(
    ({ at, askedAt, inRecovery }) => inRecovery === false && at >= from && askedAt <= to,
  )
}

/** Anything at all was going on: a fault, or an operator at work. */
export function wasDisturbed(index: HistoryIndex, from: number, to: number): boolean {
  return faultsDuring(index, from, to).length > 0 || index.operators.some((work) => work.from <= to && work.to >= from)
}
