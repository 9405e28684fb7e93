/**
 * Keeps the failover journal of the running proxy and puts it to disk when it has changed: late, one save at a time, and
 * never in the way of routing. A save that fails is told once and tried again with the next change. Composition layer;
 * what goes into the journal is failover-journal.ts's to know.
 */
import type { Logger } from 'pino'
import type { JournalNews, SessionTally } from '../observability/failover-events.ts'
import { addToJournal, restoreJournal } from '../observability/failover-journal.ts'
import { type FailoverList, type FailoverQuery, listFailovers } from '../observability/failover-list.ts'
import type { FailoverRecord } from '../observability/failover-record.ts'
import type { FailoverJournal } from '../observability/newest-failover.ts'
import type { Clock } from '../ports.ts'
import type { Decision, Epoch, TopologyState } from '../topology/topology-state.ts'
import type { SessionCounts } from '../workers/session-host.ts'
import type { JournalFile } from './journal-file.ts'

/** The epoch goes to the same disk, and has the right of way. */
const SAVE_DELAY_MS = 300
/** Where nothing but counts of sessions has changed. */
const SAVE_COUNTS_DELAY_MS = 5_000

/** Keeps the journal on disk; see journal-file.ts. */
export type JournalStore = Pick<JournalFile, 'path' | 'load' | 'save'>

export interface FailoverRecorderOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly file: JournalStore
  readonly sessions: () => SessionCounts
  /** The newest record has changed; `before`: what it was, `null` when it is new. */
  readonly onChange: (before: FailoverRecord | null, after: FailoverRecord) => void
}

export class FailoverRecorder {
  readonly #options: FailoverRecorderOptions
  #journal: FailoverJournal = restoreJournal([], null)
  #saved: readonly FailoverRecord[] = []
  #isWritable = true
  /** From `restore` to `close`: before and after that another process keeps the journal. */
  #isOn = false
  #isFailing = false
  #saving: Promise<void> | null = null
  #dueAt: number | null = null
  #cancelSave: () => void = () => undefined

  constructor(options: FailoverRecorderOptions) {
    this.#options = options
  }

  /** Reads what the process before has left. Call it once; what is told before is not recorded. Never rejects. */
  async restore(epoch: Epoch | null): Promise<void> {
    const { file, logger } = this.#options
    const loaded = await file.load()
    if (loaded.kind === 'unreadable') {
      const { problem, keptAs } = loaded
      this.#isWritable = keptAs !== null
      logger.warn(
        { file: file.path, problem, keptAs },
        this.#isWritable
          ? 'the failover journal is unreadable: it was moved aside, and a new one begins'
          : 'the failover journal is unreadable and cannot be moved aside: this run is not recorded on disk',
      )
    }
    const records = loaded.kind === 'loaded' ? loaded.records : []
    this.#isOn = true
    this.#saved = records
    this.#journal = restoreJournal(records, epoch)
  }

  take(news: JournalNews): void {
    if (!this.#isOn) return
    const { clock } = this.#options
    const before = this.#journal.records.at(-1)
    this.#journal = addToJournal(this.#journal, {
      ...news,
      now: clock.now(),
      wallTime: clock.wallTime(),
      tally: this.#tally(),
    })
    const after = this.#journal.records.at(-1)
    if (after === undefined || after === before) return
    this.#options.onChange(before?.id === after.id ? before : null, after)
    const isCountOnly = before !== undefined && isAlike(before, after)
    this.#saveWithin(isCountOnly ? SAVE_COUNTS_DELAY_MS : SAVE_DELAY_MS)
  }

  takeDecision(decision: Decision, state: TopologyState): void {
    const { primary } = decision
    const sessionsOnPrimary = primary === null ? 0 : this.#options.sessions().countOn(primary)
    this.take({ kind: 'decided', decision, state, sessionsOnPrimary })
  }

  list(query: FailoverQuery): FailoverList {
    return listFailovers(this.#journal.records, query)
  }

  /**
   * The proxy ends, or hands over: what is in progress is interrupted, and all is put to disk if the disk will have it.
   * What is told from then on is not recorded. Idempotent.
   */
  async close(): Promise<void> {
    if (!this.#isOn) return
    this.take({ kind: 'stopped' })
    this.#isOn = false
    this.#cancelSave()
    this.#dueAt = null
    await this.#saving
    await this.#save()
  }

  #tally(): SessionTally {
    const { totals, heldCount, endedCounts: ended } = this.#options.sessions()
    return {
      ...totals,
      waiting: heldCount,
      expired: ended['hold-expired'],
      stopped: ended['shutting-down'],
      lost: ended['backend-lost'],
    }
  }

  #saveWithin(delayMs: number): void {
    if (!this.#isWritable) return
    const { clock } = this.#options
    const dueAt = clock.now() + delayMs
    if (this.#dueAt !== null && this.#dueAt <= dueAt) return
    this.#cancelSave()
    this.#dueAt = dueAt
    this.#cancelSave = clock.schedule(delayMs, () => {
      this.#dueAt = null
      this.#saving = (this.#saving ?? Promise.resolve()).then(() => this.#save())
    })
  }

  async #save(): Promise<void> {
    const { records } = this.#journal
    if (!this.#isWritable || records === this.#saved) return
    const { file, logger } = this.#options
    try {
      await file.save(records)
      this.#saved = records
      this.#isFailing = false
    } catch (error) {
      if (this.#isFailing) return
      this.#isFailing = true
      logger.warn(
        { file: file.path, problem: (error as Error).message },
        'the failover journal cannot be written: it is kept in memory, and tried again when it changes',
      )
    }
  }
}

/** All but the counts of sessions is the same: the journal shares what it has not changed. */
function isAlike(before: FailoverRecord, after: FailoverRecord): boolean {
  return (Object.keys(after) as (keyof FailoverRecord)[]).every(
    (key) => key === 'sessions' || before[key] === after[key],
  )
}
