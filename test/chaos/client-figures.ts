/**
 * What the clients of a chaos run went through, in figures. Pure; it judges nothing.
 */
import { SILENT_CLIENTS } from './client-plan.ts'
import { couldSee, faultsDuring, touchesHost, touchesPath } from './evidence.ts'
import {
  type AnsweredOperation,
  answeredWrites,
  type ClientSession,
  type HistoryIndex,
  nodeOf,
} from './history-index.ts'
import { countLost } from './rules-of-writes.ts'
import type { FinalState } from './tables.ts'

/** Counts by SQLSTATE, or by another code of the error; `none` where there is none. */
export type CountsByCode = Readonly<Record<string, number>>

/** A proxy accepted a node, which it could see all the time. Milliseconds. */
export interface Takeover {
  readonly proxy: string
  readonly node: string
  readonly timelineId: number
  readonly acceptedAt: number
  /** The one before was stopped or dead, so that nothing had to be waited for; else it lived, and a row had to decide. */
  readonly wasGone: boolean
  /** From the first sample in which the node is out of recovery until the proxy's log, a session, an answered write. */
  readonly toAcceptedMs: number
  readonly toSessionMs: number | null
  readonly toWriteMs: number | null
}

export interface ClientFigures {
  readonly writesAcknowledged: number
  /** The answer to the COMMIT never came. */
  readonly writesUnknown: number
  readonly writesFailed: CountsByCode
  /** Acknowledged, and lost with a fork; `null` when the final table is not known. */
  readonly writesLost: number | null
  readonly readsAnswered: number
  readonly sessionsOpened: number
  readonly connectsRefused: CountsByCode
  /** Ended by somebody else than the client. */
  readonly sessionsEnded: CountsByCode
  /** That a freeze or a cut between proxy and node, begun and over in their life, did not end: they were answered later. */
  readonly sessionsOutlivedDoubt: number
  readonly longestConnectMs: number
  /** By client: the longest time between two answers; without those that are silent by design. */
  readonly longestStallMs: Readonly<Record<string, number>>
  readonly takeovers: readonly Takeover[]
}

export function takeClientFigures(index: HistoryIndex, final: FinalState | null): ClientFigures {
  const { sessions, operations } = index
  const writes = operations.filter(({ operation }) => operation.n !== null)
  const opened = sessions.filter(({ openedAt }) => openedAt !== null)
  const refused = sessions.filter(({ refusedAt }) => refusedAt !== null)
  const ended = sessions.filter(({ closedBy }) => closedBy === 'other')
  const of = (outcome: string) => writes.filter(({ operation }) => operation.outcome === outcome)
  return {
    writesAcknowledged: of('answered').length,
    writesUnknown: of('unknown').length + of('open').length,
    writesFailed: countCodes(of('failed').map(({ operation }) => operation.error?.code)),
    writesLost: final === null ? null : countLost(index, final),
    readsAnswered: operations.filter(({ operation: { n, answer } }) => n === null && answer !== null).length,
    sessionsOpened: opened.length,
    connectsRefused: countCodes(refused.map(({ error }) => error?.code)),
    sessionsEnded: countCodes(ended.map(({ error }) => error?.code)),
    sessionsOutlivedDoubt: opened.filter((session) => outlivedDoubt(session, index)).length,
    longestConnectMs: Math.round(longest(opened.map(({ connectAt, openedAt }) => (openedAt ?? 0) - connectAt))),
    longestStallMs: stalls(index),
    takeovers: takeovers(index),
  }
}

function stalls({ operations }: HistoryIndex): Readonly<Record<string, number>> {
  const times = new Map<string, number[]>()
  for (const { session, operation } of operations) {
    if (operation.outcome !== 'answered' || operation.endedAt === null || SILENT_CLIENTS.test(session.client)) continue
    const list = times.get(session.client)
    if (list === undefined) times.set(session.client, [operation.endedAt])
    else list.push(operation.endedAt)
  }
  return Object.fromEntries(
    [...times].map(([client, list]) => {
      const ordered = list.sort((a, b) => a - b)
      return [client, Math.round(longest(ordered.map((at, i) => at - (ordered[i - 1] ?? at))))]
    }),
  )
}

function takeovers(index: HistoryIndex): readonly Takeover[] {
  const answered = answeredWrites(index)
  const found: Takeover[] = []
  for (const [proxy, told] of index.epochs) {
    for (const [i, { at: acceptedAt, how, epoch }] of told.entries()) {
      const before = told[i - 1]?.epoch
      // The first one ever, or after a loss of memory, is no takeover.
      if (how !== 'accepted' || epoch === null || before == null) continue
      const { node, timelineId } = epoch
      const sample = index.truths.get(node)?.find((each) => each.inRecovery === false && each.timelineId === timelineId)
      if (sample === undefined || !couldSee(index, proxy, node, sample.askedAt, acceptedAt)) continue
      const there = answered.filter((each) => isThere(each, proxy, node, timelineId, acceptedAt))
      const since = (at: number): number | null =>
        Number.isFinite(at) ? Math.max(0, Math.round(at - sample.at)) : null
      // What befalls the proxy, or its way to the clients, after that is no part of it.
      const undisturbed = (times: readonly number[]): number => {
        const at = earliest(times)
        const isClear = !faultsDuring(index, sample.askedAt, at).some(
          (fault) => touchesHost(fault, proxy) || touchesHost(fault, node) || touchesPath(fault, proxy, node),
        )
        return isClear ? at : Number.POSITIVE_INFINITY
      }
      found.push({
        proxy,
        node,
        timelineId,
        acceptedAt,
        wasGone: wasGone(index, before.node, acceptedAt),
        toAcceptedMs: since(acceptedAt) ?? 0,
        toSessionMs: since(undisturbed(there.map(({ session }) => openedAt(session)))),
        toWriteMs: since(undisturbed(there.map(({ operation }) => operation.endedAt))),
      })
    }
  }
  return found.sort((a, b) => a.acceptedAt - b.acceptedAt)
}

/** Its last sample before that says that it does not answer. */
function wasGone({ truths }: HistoryIndex, node: string, at: number): boolean {
  const last = truths.get(node)?.findLast((each) => each.at <= at)
  return last !== undefined && last.inRecovery !== false
}

function outlivedDoubt(session: ClientSession, { faults }: HistoryIndex): boolean {
  const node = nodeOf(session)
  const lastAt = session.operations.findLast(({ outcome }) => outcome === 'answered')?.askedAt
  if (node === null || session.openedAt === null || lastAt === undefined) return false
  const { openedAt, proxy } = session
  return faults.some((fault) => {
    const { frozen, cut } = fault.effect
    const isFrozen = frozen?.includes(node) === true || frozen?.includes(proxy) === true
    const isCut = cut?.some(([from, to]) => [from, to].includes(node) && [from, to].includes(proxy)) === true
    return (isFrozen || isCut) && fault.from > openedAt && fault.to < lastAt
  })
}

function isThere(
  { session, operation }: AnsweredOperation,
  proxy: string,
  node: string,
  timelineId: number,
  acceptedAt: number,
): boolean {
  const { view } = operation.answer
  // The line of the log may be read a moment after the first session was routed.
  const isNew = openedAt(session) > acceptedAt - 1_000
  return session.proxy === proxy && view.node === node && view.timelineId === timelineId && isNew
}

function openedAt({ openedAt: at, connectAt }: ClientSession): number {
  return at ?? connectAt
}

function earliest(times: readonly number[]): number {
  return times.reduce((least, each) => Math.min(least, each), Number.POSITIVE_INFINITY)
}

function longest(durations: readonly number[]): number {
  return durations.reduce((most, each) => Math.max(most, each), 0)
}

function countCodes(codes: readonly (string | null | undefined)[]): CountsByCode {
  const counts: Record<string, number> = {}
  for (const code of codes) counts[code ?? 'none'] = (counts[code ?? 'none'] ?? 0) + 1
  return counts
}
