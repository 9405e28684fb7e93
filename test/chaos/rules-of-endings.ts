/**
 * P2 and P4 by the history: sessions end when there is a proof against their node, and for no other reason. Pure.
 *
 * The bound of P2 is one probe interval, and `slackMs` for a loaded machine. P4 is judged over the whole life of a
 * session: what may have broken its connection at any time may be noticed later. A frozen node, a node that is cut off
 * and a proxy that stood still are no causes: sessions have to survive those, until another primary is accepted.
 */
import {
  anotherWasAccepted,
  CLIENTS,
  pathWasLost,
  proxyWasAway,
  proxyWasFrozen,
  serverEnded,
  wasOutOfRecovery,
} from './causes.ts'
import { endBoundMs } from './check-limits.ts'
import { couldSee, faultsDuring, knownSuccessor, touchesHost, touchesPath } from './evidence.ts'
import { type ClientSession, nodeOf } from './history-index.ts'
import { about, type Checked, type Violation } from './violation.ts'

/** Sessions to write that were still there when the bound was over. */
export function checkEndedOnProof({ index, limits }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const session of index.sessions) {
    const node = nodeOf(session)
    if (session.route !== 'write' || node === null || session.openedAt === null) continue
    const { openedAt, proxy } = session
    const endedAt = session.closedAt ?? index.endAt
    const boundMs = endBoundMs(limits)
    const isExcused = (from: number): boolean =>
      faultsDuring(index, from, from + boundMs).some(
        (fault) => touchesHost(fault, proxy) || touchesPath(fault, CLIENTS, proxy),
      )
    const accepted = (index.epochs.get(proxy) ?? []).find(
      ({ at, how, epoch }) => how === 'accepted' && at >= openedAt && epoch?.node !== node,
    )
    if (accepted !== undefined && endedAt > accepted.at + boundMs && !isExcused(accepted.at)) {
      const lateMs = Math.round(endedAt - accepted.at)
      const text = `was still on ${node} ${lateMs} ms after ${proxy} had accepted ${accepted.epoch?.node}`
      found.push(about('ended-on-proof', session, endedAt, text))
      continue
    }
    const provenAt = endedAt - boundMs
    const timelineId = timelineOf(session)
    if (provenAt <= openedAt || timelineId === null) continue
    const known = knownSuccessor(index, proxy, timelineId, provenAt, limits)
    if (known === null || known.node === node || isExcused(provenAt)) continue
    const text = `was on ${node}, timeline ${timelineId}, when ${proxy} must have known ${known.node} for ${boundMs} ms`
    found.push(about('ended-on-proof', session, endedAt, text))
  }
  return found
}

/** Sessions that somebody else ended, for which there was no cause in all of their life. */
export function checkEndedWithoutProof(checked: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const session of checked.index.sessions) {
    if (session.closedBy !== 'other' || session.closedAt === null || hasCause(session, checked)) continue
    const { code, message, detail } = session.error ?? {}
    const words = [code, message, detail].filter((each) => each !== null && each !== undefined).join(', ')
    const text = `was ended on ${nodeOf(session) ?? 'an unknown node'} (${words || 'no words'}) without a cause in its life`
    found.push(about('ended-without-proof', session, session.closedAt, text))
  }
  return found
}

function hasCause(session: ClientSession, { index, limits }: Checked): boolean {
  const { proxy, connectAt: from, route } = session
  const to = session.closedAt ?? index.endAt
  if (proxyWasAway(index, proxy, from, to)) return true
  const node = nodeOf(session)
  const nodes = node === null ? [...index.truths.keys()] : [node]
  return nodes.some(
    (each) =>
      serverEnded(index, each, from, to) ||
      anotherWasAccepted(index, proxy, each, from, to, limits) ||
      pathWasLost(index, proxy, each, from, to, limits) ||
      // A reader on a standby may be in the way when that is promoted and not accepted.
      (route === 'read' && wasOutOfRecovery(index, each, from, to)),
  )
}

/** An operation that was given up though nothing at all was wrong. */
export function checkStalls({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const { session, operation } of index.operations) {
    const { error, askedAt, endedAt, op } = operation
    if (error?.code !== 'GAVE-UP' || endedAt === null) continue
    const { proxy } = session
    const node = nodeOf(session)
    const nodes = node === null ? [...index.truths.keys()] : [node]
    const isClear =
      nodes.every(
        (each) => couldSee(index, proxy, each, askedAt, endedAt) && !serverEnded(index, each, askedAt, endedAt),
      ) &&
      !proxyWasAway(index, proxy, askedAt, endedAt) &&
      !faultsDuring(index, askedAt, endedAt).some((fault) => touchesPath(fault, CLIENTS, proxy)) &&
      !proxyWasFrozen(index, proxy, askedAt, endedAt)
    if (!isClear) continue
    const text = `operation ${op} got no answer for ${Math.round(endedAt - askedAt)} ms, and nothing lay in its way`
    found.push(about('liveness', session, endedAt, text))
  }
  return found
}

function timelineOf(session: ClientSession): number | null {
  return session.operations.findLast(({ answer }) => answer !== null)?.answer?.view.timelineId ?? null
}
