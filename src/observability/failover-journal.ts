/**
 * Events of the proxy -> the failover journal: one record for each change of primary and each time without one. A pure
 * reducer: no clock, no disk, and every list in it is bounded. It decides nothing and routes nobody; the order of events
 * is the one in which src/daemon/tell-events.ts hears of them.
 */
import type { Observation } from '../topology/observation.ts'
import type { Decision, Epoch } from '../topology/topology-state.ts'
import type { JournalEvent, JournalNews } from './failover-events.ts'
import type { FailoverKind, FailoverRecord, PrimaryHolder } from './failover-record.ts'
import {
  addSentence,
  amend,
  count,
  describeNodes,
  type FailoverJournal,
  momentOf,
  type OpenRecord,
  tell,
} from './newest-failover.ts'

/** The journal keeps so many records. */
export const RECORDS_MAX = 100
/** For so long after there is a primary again sessions count for the record; longer while some still wait. */
export const SETTLE_MS = 60_000

/** A journal that goes on where the one on disk ended: what was in progress then was interrupted by the proxy's end. */
export function restoreJournal(records: readonly FailoverRecord[], epoch: Epoch | null): FailoverJournal {
  return {
    records: records
      .slice(-RECORDS_MAX)
      .map((record) => (record.state === 'in-progress' ? { ...record, state: 'interrupted' } : record)),
    open: null,
    proof: null,
    epoch: epoch === null ? null : { node: epoch.node, timelineId: epoch.timelineId },
    lastDecision: null,
    timelines: new Map(),
    stopping: new Set(),
  }
}

/** The same journal object comes back, or at least the same `records`, when there is nothing new. */
export function addToJournal(journal: FailoverJournal, event: JournalEvent): FailoverJournal {
  switch (event.kind) {
    case 'observed':
      return noteObservation(journal, event.node, event.observation)
    case 'decided':
      return takeDecision(journal, event, event)
    case 'accepted':
      return takeAcceptance(journal, event.epoch, event)
    case 'save-failed':
      return isRunning(journal)
        ? tell(journal, 'uncertain', `the epoch cannot be written: ${event.problem}`, event)
        : journal
    case 'fenced':
      if (journal.open === null || event.endedCount <= 0) return journal
      return amend(journal, ({ sessions }) => ({
        sessions: { ...sessions, ended: sessions.ended + Math.trunc(event.endedCount) },
      }))
    case 'first-routed':
      return noteFirstRouted(journal, event.node, event)
    case 'all-released':
      return noteAllReleased(journal, event)
    case 'stopped':
      return isRunning(journal)
        ? { ...amend(count(journal, event), () => ({ state: 'interrupted' })), open: null }
        : { ...count(journal, event), open: null }
    default: {
      const unhandled: never = event
      return unhandled
    }
  }
}

/** True while the newest record is in progress. */
function isRunning({ open }: FailoverJournal): boolean {
  return open !== null && open.servedAt === null
}

// --- Observations and decisions ------------------------------------------------------------------------------------

function noteObservation(journal: FailoverJournal, node: string, observation: Observation): FailoverJournal {
  if (observation.kind === 'failed') {
    if (observation.failure !== 'shutting-down' || journal.stopping.has(node)) return journal
    return { ...journal, stopping: new Set([...journal.stopping, node]) }
  }
  const { timelineId } = observation.answer
  const isKnown = journal.timelines.has(node) && journal.timelines.get(node) === timelineId
  if (isKnown && !journal.stopping.has(node)) return journal
  return {
    ...journal,
    timelines: new Map([...journal.timelines, [node, timelineId]]),
    stopping: new Set([...journal.stopping].filter((name) => name !== node)),
  }
}

function takeDecision(
  before: FailoverJournal,
  { decision, state, sessionsOnPrimary }: Extract<JournalNews, { kind: 'decided' }>,
  event: JournalEvent,
): FailoverJournal {
  const { epoch } = state
  const journal: FailoverJournal = {
    ...before,
    epoch: epoch === null ? null : { node: epoch.node, timelineId: epoch.timelineId },
    lastDecision: decision,
    ...keepMembers(before, decision),
  }
  if (decision.primary === null) {
    // Before every node was asked nothing is wrong yet.
    if (!state.settled) return journal
    if (isRunning(journal)) return count(tell(journal, decision.kind, decision.reason, event), event)
    return tell(openRecord(journal, event, true), decision.kind, decision.reason, event)
  }
  const served = isRunning(journal) ? close(journal, decision.primary, decision, event) : settle(journal, event)
  const { proof } = served
  if (proof !== null && proof.node === decision.primary && proof.at >= decision.provenAt) return served
  const at = Math.min(decision.provenAt, event.now)
  return { ...served, proof: { node: decision.primary, at, sessions: sessionsOnPrimary, tally: event.tally } }
}

/** Nodes that are no longer members are forgotten. */
function keepMembers(
  { timelines, stopping }: FailoverJournal,
  { nodes }: Decision,
): Pick<FailoverJournal, 'timelines' | 'stopping'> {
  const isKept = [...timelines.keys(), ...stopping].every((name) => nodes.has(name))
  if (isKept) return { timelines, stopping }
  return {
    timelines: new Map([...timelines].filter(([name]) => nodes.has(name))),
    stopping: new Set([...stopping].filter((name) => nodes.has(name))),
  }
}

// --- The life of a record ------------------------------------------------------------------------------------------

function openRecord(journal: FailoverJournal, event: JournalEvent, isDetected: boolean): FailoverJournal {
  const from = journal.epoch
  const proof = journal.proof !== null && journal.proof.node === from?.node ? journal.proof : null
  const open: OpenRecord = {
    proofAt: proof?.at ?? null,
    tallyBefore: proof?.tally ?? event.tally,
    servedAt: null,
    isAwaited: false,
  }
  const record: FailoverRecord = {
    id: (journal.records.at(-1)?.id ?? 0) + 1,
    state: 'in-progress',
    kind: 'outage',
    from,
    to: null,
    reason: '',
    startedAt: event.wallTime.toISOString(),
    times: {
      lastGoodProbe: proof === null ? null : momentOf(proof.at, open, event),
      detection: isDetected ? momentOf(event.now, open, event) : null,
      proof: null,
      firstRouted: null,
      allReleased: null,
    },
    sessions: { before: proof?.sessions ?? 0, ended: 0, lost: 0, held: 0, released: 0, expired: 0, left: 0 },
    nodes: describeNodes(journal),
    decisions: [],
    decisionsLeftOut: 0,
  }
  return count({ ...journal, records: [...journal.records, record].slice(-RECORDS_MAX), open }, event)
}

function takeAcceptance(before: FailoverJournal, epoch: Epoch, event: JournalEvent): FailoverJournal {
  const accepting = before.lastDecision?.accept ?? null
  const isOrder = accepting?.node !== epoch.node || accepting.timelineId !== epoch.timelineId
  const isSame = before.epoch?.node === epoch.node && before.epoch.timelineId === epoch.timelineId
  const to = { node: epoch.node, timelineId: epoch.timelineId }
  // An order to take whom we have already.
  if (isSame && !isRunning(before)) return before
  const journal = isRunning(before) ? before : openRecord(before, event, false)
  const { open } = journal
  if (open === null) return journal
  const reason = isOrder
    ? `${epoch.node} is accepted as primary on timeline ${epoch.timelineId} by an operator's order`
    : (journal.lastDecision?.reason ?? '')
  const told = tell(journal, 'uncertain', reason, event)
  const accepted = amend(told, ({ from, times }) => ({
    to,
    kind: kindOf(journal, from, to, isOrder),
    times: { ...times, proof: momentOf(event.now, open, event) },
    nodes: describeNodes(journal),
  }))
  return { ...accepted, epoch: to }
}

function kindOf(
  { lastDecision, stopping }: FailoverJournal,
  from: PrimaryHolder | null,
  to: PrimaryHolder,
  isOrder: boolean,
): FailoverKind {
  if (isOrder) return 'operator-accept'
  if (from === null) return 'first-acceptance'
  if (from.node === to.node) return 'outage'
  const role = lastDecision?.nodes.get(from.node)?.role
  return stopping.has(from.node) || role === 'standby' || role === 'fenced' ? 'switchover' : 'failover'
}

/** There is a primary again. */
function close(journal: FailoverJournal, primary: string, decision: Decision, event: JournalEvent): FailoverJournal {
  const { open, epoch } = journal
  if (open === null) return journal
  const served: FailoverJournal = {
    ...journal,
    open: { ...open, servedAt: event.now, isAwaited: event.tally.waiting > 0 },
  }
  const over = amend(served, ({ to, times }) => ({
    state: 'over',
    to: { node: primary, timelineId: epoch?.timelineId ?? to?.timelineId ?? 0 },
    times: { ...times, proof: times.proof ?? momentOf(event.now, open, event) },
  }))
  return count(addSentence(over, decision.kind, decision.reason, event), event)
}

/** After that: the record is amended for a while, and then left as it is. */
function settle(journal: FailoverJournal, event: JournalEvent): FailoverJournal {
  const { open } = journal
  if (open?.servedAt == null) return journal
  const counted = noteAllReleased(count(journal, event), event)
  const isSettled = event.now - open.servedAt > SETTLE_MS && event.tally.waiting === 0
  return isSettled ? { ...counted, open: null } : counted
}

function noteFirstRouted(journal: FailoverJournal, node: string, event: JournalEvent): FailoverJournal {
  const { open } = journal
  // Where nobody waited the time until somebody came is the clients' and not ours.
  if (open?.servedAt == null || !open.isAwaited) return journal
  return amend(journal, ({ to, times }) =>
    to?.node === node && times.firstRouted === null
      ? { times: { ...times, firstRouted: momentOf(event.now, open, event) } }
      : {},
  )
}

/** Asked for after every decision as well: the last of them may have left by itself. */
function noteAllReleased(journal: FailoverJournal, event: JournalEvent): FailoverJournal {
  const { open } = journal
  if (open?.servedAt == null || !open.isAwaited || event.tally.waiting > 0) return journal
  return amend(count(journal, event), ({ times }) =>
    times.allReleased === null ? { times: { ...times, allReleased: momentOf(event.now, open, event) } } : {},
  )
}
