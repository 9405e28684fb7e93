/**
 * A failover journal beside a scenario: every probe, decision and acceptance is told to it in the daemon's order. Test
 * support.
 */
import type { JournalNews, SessionTally } from '../../src/observability/failover-events.ts'
import { addToJournal, restoreJournal } from '../../src/observability/failover-journal.ts'
import type { FailoverRecord } from '../../src/observability/failover-record.ts'
import type { FailoverJournal } from '../../src/observability/newest-failover.ts'
import type { FailureClass } from '../../src/topology/observation.ts'
import { type Epoch, initialState, type TopologyKind, type TopologyState } from '../../src/topology/topology-state.ts'
import { type DecisionSketch, decide } from '../net/decision-builder.ts'
import { PINNED } from '../topology/scenario.ts'

export const WALL_TIME_AT_ZERO = Date.parse('2026-01-01T00:00:00.000Z')

export const NO_SESSIONS: SessionTally = { waiting: 0, held: 0, released: 0, expired: 0, stopped: 0, lost: 0 }

export function epochOf(node: string, timelineId: number): Epoch {
  return { systemIdentifier: PINNED, timelineId, node, at: '2026-01-01T00:00:00.000Z' }
}

export class JournalRig {
  now = 0
  tally: SessionTally = NO_SESSIONS
  epoch: Epoch | null
  journal: FailoverJournal

  constructor(options: { epoch?: Epoch | null; records?: readonly FailoverRecord[] } = {}) {
    this.epoch = options.epoch ?? null
    this.journal = restoreJournal(options.records ?? [], this.epoch)
  }

  tell(news: JournalNews): this {
    const { now, tally } = this
    this.journal = addToJournal(this.journal, { ...news, now, wallTime: new Date(WALL_TIME_AT_ZERO + now), tally })
    return this
  }

  at(now: number, tally: Partial<SessionTally> = {}): this {
    this.now = now
    this.tally = { ...this.tally, ...tally }
    return this
  }

  /** `at` in the sketch is when the proof was asked for. */
  decided(
    sketch: DecisionSketch,
    options: { kind?: TopologyKind; accept?: Epoch; settled?: boolean; sessionsOnPrimary?: number } = {},
  ): this {
    const { kind, accept = null, settled = true, sessionsOnPrimary = 0 } = options
    const decision = { ...decide(sketch), accept }
    const state: TopologyState = { ...initialState(this.epoch, [], 0), settled }
    return this.tell({
      kind: 'decided',
      decision: { ...decision, kind: kind ?? decision.kind },
      state,
      sessionsOnPrimary,
    })
  }

  serving(node: string, sessionsOnPrimary = 0): this {
    return this.decided({ primary: node, at: this.now }, { sessionsOnPrimary })
  }

  none(reason: string, sketch: Partial<DecisionSketch> = {}): this {
    return this.decided({ ...sketch, primary: null, at: 0, reason }, { kind: 'no-primary' })
  }

  failed(node: string, failure: FailureClass): this {
    const { now } = this
    return this.tell({
      kind: 'observed',
      node,
      observation: { kind: 'failed', sentAt: now, receivedAt: now, failure, detail: failure },
    })
  }

  /** The decision to accept, and the epoch on disk a millisecond later. */
  accepts(node: string, timelineId: number, reason: string, sketch: Partial<DecisionSketch> = {}): this {
    const epoch = epochOf(node, timelineId)
    this.decided({ ...sketch, primary: null, at: 0, reason }, { kind: 'uncertain', accept: epoch })
    this.at(this.now + 1)
    this.epoch = epoch
    return this.tell({ kind: 'accepted', epoch })
  }

  get newest(): FailoverRecord {
    const record = this.journal.records.at(-1)
    if (record === undefined) throw new Error('the journal is empty')
    return record
  }
}
