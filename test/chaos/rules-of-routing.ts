/**
 * P1 by the history: where sessions are allowed to be. Pure.
 *
 * 25006 has no allowance at all. The specification wants 0 of them on listeners for the primary, and in the setting of
 * the chaos runs nothing can cause one: sessions are in plain, servers are 14 or newer, so that every login is checked
 * by `in_hot_standby` before the client sees its end; and a session that began on a primary cannot find itself in
 * recovery, because a server goes into recovery only by a restart, which ends all its sessions.
 */
import { endBoundMs } from './check-limits.ts'
import { couldSee, epochAt, epochNodes, knownSuccessor, memoryBreaks } from './evidence.ts'
import type { ClientError } from './history.ts'
import { type AnsweredOperation, answeredWrites } from './history-index.ts'
import { about, type Checked, type Violation } from './violation.ts'

const READ_ONLY = '25006'

/** No writer meets a server that is read-only or in recovery. */
export function checkReadOnly({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const session of index.sessions) {
    if (session.route !== 'write') continue
    const tell = (at: number, text: string): void => {
      found.push(about('read-only', session, at, text))
    }
    if (session.inHotStandby === 'on') tell(session.openedAt ?? 0, 'was logged in on a server in hot standby')
    if (isReadOnly(session.error)) tell(session.closedAt ?? session.refusedAt ?? 0, `ended by ${READ_ONLY}`)
    for (const { answer, error, endedAt, op } of session.operations) {
      if (isReadOnly(error)) tell(endedAt ?? 0, `operation ${op} was refused by ${READ_ONLY}`)
      const isRecovering = answer?.view.inRecovery === true || answer?.again?.view.inRecovery === true
      if (isRecovering) tell(endedAt ?? 0, `operation ${op} was answered by ${answer?.view.node}, in recovery`)
    }
  }
  return found
}

/**
 * By the proxy's own word: a session is routed to the node of an epoch, and what is answered is asked while that epoch
 * holds, or within the bound of P2 after it.
 */
export function checkRoutedByEpoch({ index, limits }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const { session, operation } of answeredWrites(index)) {
    const { proxy } = session
    const { view } = operation.answer
    const from = operation.askedAt - endBoundMs(limits)
    const allowed = epochNodes(index, proxy, from, operation.endedAt, limits)
    if (allowed === null || allowed.has(view.node)) continue
    const names = [...allowed].join(' or ')
    const text = `operation ${operation.op} was answered by ${view.node}, when the epoch of ${proxy} was ${names}`
    found.push(about('routed-by-epoch', session, operation.endedAt, text))
  }
  return found
}

/** By the truth: see `knownSuccessor`. Nothing is said of a proxy whose disk is full: it may keep the sessions it has. */
export function checkRoutedByEvidence({ index, limits }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const { session, operation } of answeredWrites(index)) {
    const { node, timelineId } = operation.answer.view
    if (timelineId === null) continue
    const known = knownSuccessor(index, session.proxy, timelineId, operation.askedAt, limits)
    if (known === null || known.node === node) continue
    const text =
      `operation ${operation.op} was answered by ${node} on timeline ${timelineId}, when ${session.proxy} ` +
      `must have known ${known.node} on timeline ${known.timelineId}`
    found.push(about('routed-by-evidence', session, operation.endedAt, text))
  }
  return found
}

/**
 * By the clients alone: sessions of the old primary are ended before the first is admitted to the new one. So what is
 * asked after an answer from a timeline is not answered on an older one, nor by another node on the same, at any time,
 * until the proxy has lost its memory or an operator overruled it.
 */
export function checkTimelineFalls({ index }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const proxy of new Set(index.sessions.map((session) => session.proxy))) {
    const asked = answeredWrites(index).filter(({ session }) => session.proxy === proxy)
    const answered = [...asked].sort((a, b) => a.operation.endedAt - b.operation.endedAt)
    const resets = memoryBreaks(index, proxy)
    let next = 0
    let highest: AnsweredOperation | null = null
    for (const one of asked) {
      const { askedAt } = one.operation
      for (; (answered[next]?.operation.endedAt ?? Number.POSITIVE_INFINITY) < askedAt; next += 1) {
        const other = answered[next]
        if (other !== undefined && timelineOf(other) >= timelineOf(highest)) highest = other
      }
      if (highest === null) continue
      const since = highest.operation.endedAt
      if (resets.some(({ from, to }) => from <= one.operation.endedAt && to >= since)) {
        highest = null
        continue
      }
      const { node, timelineId } = one.operation.answer.view
      const isSameHolder = timelineOf(one) === timelineOf(highest) && node === highest.operation.answer.view.node
      if (isSameHolder || timelineOf(one) > timelineOf(highest)) continue
      const text =
        `operation ${one.operation.op} was answered by ${node} on timeline ${timelineId}, asked ` +
        `${Math.round(askedAt - since)} ms after ${highest.session.session} was answered by ` +
        `${highest.operation.answer.view.node} on ${timelineOf(highest)}`
      found.push(about('timeline-falls', one.session, one.operation.endedAt, text))
    }
  }
  return found
}

/** Readers are kept when their standby is promoted, but not on a primary that is older than the epoch. */
export function checkReaderOnStale({ index, limits }: Checked): readonly Violation[] {
  const found: Violation[] = []
  for (const { session, operation } of index.operations) {
    const { answer, askedAt, endedAt } = operation
    if (session.route !== 'read' || answer === null || endedAt === null) continue
    const { node, inRecovery, timelineId } = answer.view
    if (inRecovery || timelineId === null) continue
    const epoch = epochAt(index, session.proxy, askedAt - limits.evidenceMs)
    const now = epochAt(index, session.proxy, askedAt)
    if (epoch === null || now === null || epoch.node === node || timelineId >= epoch.timelineId) continue
    const text = `operation ${operation.op} was answered by ${node}, primary on timeline ${timelineId}, below the epoch`
    if (couldSee(index, session.proxy, node, askedAt - limits.evidenceMs, askedAt)) {
      found.push(about('reader-on-stale', session, endedAt, `${text} of ${epoch.node} on ${epoch.timelineId}`))
    }
  }
  return found
}

function timelineOf(one: AnsweredOperation | null): number {
  return one?.operation.answer.view.timelineId ?? 0
}

function isReadOnly(error: ClientError | null): boolean {
  return error?.code === READ_ONLY
}
