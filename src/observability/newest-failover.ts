/**
 * The journal with its newest record, and every way to amend that record: sentences, counts, nodes, moments. Pure, and
 * bounded; when it is amended is in failover-journal.ts.
 */
import type { Decision, TopologyState } from '../topology/topology-state.ts'
import type { JournalEvent, SessionTally } from './failover-events.ts'
import type { FailoverMoment, FailoverRecord, PrimaryHolder } from './failover-record.ts'

/** A record keeps so many sentences: the first half and the last. */
export const SENTENCES_MAX = 20
const SENTENCE_CHARACTERS_MAX = 500
const PROBLEM_CHARACTERS_MAX = 200
const NODES_MAX = 64

/** The last probe that proved a primary, and how things stood then. */
export interface Proof {
  readonly node: string
  readonly at: number
  readonly sessions: number
  readonly tally: SessionTally
}

/** What is known of the newest record while it may still change. */
export interface OpenRecord {
  /** `null`: this process never saw the old primary proven. */
  readonly proofAt: number | null
  readonly tallyBefore: SessionTally
  /** Since when there is a primary again; `null` while there is none. */
  readonly servedAt: number | null
  /** Sessions waited when it was served. */
  readonly isAwaited: boolean
}

/** The records, and what has to be remembered to make the next one. */
export interface FailoverJournal {
  /** Oldest first. */
  readonly records: readonly FailoverRecord[]
  readonly open: OpenRecord | null
  readonly proof: Proof | null
  readonly epoch: PrimaryHolder | null
  readonly lastDecision: Decision | null
  /** What each node last said. */
  readonly timelines: ReadonlyMap<string, number | null>
  /** Nodes that were seen to shut down and have not answered since. */
  readonly stopping: ReadonlySet<string>
}

/** Changes the newest record; nothing when `change` gives nothing. */
export function amend(
  journal: FailoverJournal,
  change: (record: FailoverRecord) => Partial<FailoverRecord>,
): FailoverJournal {
  const newest = journal.records.at(-1)
  if (newest === undefined) return journal
  const changed = change(newest)
  if (Object.keys(changed).length === 0) return journal
  return { ...journal, records: [...journal.records.slice(0, -1), { ...newest, ...changed }] }
}

/** A sentence of the time without a primary: it is the reason as well. */
export function tell(
  journal: FailoverJournal,
  state: TopologyState['kind'],
  sentence: string,
  event: JournalEvent,
): FailoverJournal {
  const reason = sentence.slice(0, SENTENCE_CHARACTERS_MAX)
  if (journal.records.at(-1)?.reason === reason) return journal
  return addSentence(
    amend(journal, () => ({ reason })),
    state,
    reason,
    event,
  )
}

/** Adds a sentence with its time, unless it is the last one again. */
export function addSentence(
  journal: FailoverJournal,
  state: TopologyState['kind'],
  sentence: string,
  event: JournalEvent,
): FailoverJournal {
  const { open } = journal
  if (open === null) return journal
  const reason = sentence.slice(0, SENTENCE_CHARACTERS_MAX)
  return amend(journal, ({ decisions, decisionsLeftOut }) => {
    if (decisions.at(-1)?.reason === reason) return {}
    const all = [...decisions, { ...momentOf(event.now, open, event), state, reason }]
    if (all.length <= SENTENCES_MAX) return { decisions: all }
    const half = SENTENCES_MAX / 2
    return { decisions: [...all.slice(0, half), ...all.slice(half + 1)], decisionsLeftOut: decisionsLeftOut + 1 }
  })
}

/** Brings the counts of sessions up to date. */
export function count(journal: FailoverJournal, { tally }: JournalEvent): FailoverJournal {
  const { open } = journal
  if (open === null) return journal
  const since = (key: Exclude<keyof SessionTally, 'waiting'>): number =>
    Math.max(0, Math.trunc(tally[key] - open.tallyBefore[key]))
  const [held, released, expired] = [since('held'), since('released'), since('expired')]
  const left = Math.max(0, held - released - expired - since('stopped') - tally.waiting)
  return amend(journal, ({ sessions }) => {
    const lost = open.servedAt === null ? since('lost') : sessions.lost
    const counted = { ...sessions, lost, held, released, expired, left }
    const isNew = (Object.keys(counted) as (keyof typeof counted)[]).some((key) => counted[key] !== sessions[key])
    return isNew ? { sessions: counted } : {}
  })
}

/** The nodes as the last decision judged them. */
export function describeNodes({ lastDecision, timelines }: FailoverJournal): FailoverRecord['nodes'] {
  return [...(lastDecision?.nodes ?? [])].slice(0, NODES_MAX).map(([name, { role, problem }]) => ({
    name,
    role,
    timelineId: timelines.get(name) ?? null,
    problem: problem?.slice(0, PROBLEM_CHARACTERS_MAX) ?? null,
  }))
}

/** `at`: monotonic, not after the event. */
export function momentOf(at: number, { proofAt }: OpenRecord, { now, wallTime }: JournalEvent): FailoverMoment {
  return {
    at: new Date(wallTime.getTime() - (now - at)).toISOString(),
    afterMs: proofAt === null ? null : Math.max(0, Math.round((at - proofAt) * 10) / 10),
  }
}
