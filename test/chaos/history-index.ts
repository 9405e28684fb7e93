/**
 * A history put in order: sessions with their operations, faults with both ends, samples by node, epochs by proxy. Pure.
 * It takes histories as they are found, cut off or shuffled: what has no beginning is left out, what has no end goes on.
 */
import type {
  AnsweredEvent,
  AskedEvent,
  ClientError,
  ConnectEvent,
  FaultEffect,
  HistoryEvent,
  LogEvent,
  OperatorEvent,
  PhaseEvent,
  ProcessEvent,
  TruthEvent,
} from './history.ts'

export interface Operation extends Omit<AskedEvent, 'kind' | 'at'> {
  readonly askedAt: number
  /** When the client knew; `null` when it never did. */
  endedAt: number | null
  outcome: 'answered' | 'failed' | 'unknown' | 'open'
  answer: AnsweredEvent | null
  error: ClientError | null
}

export interface ClientSession extends Omit<ConnectEvent, 'kind' | 'at'> {
  readonly connectAt: number
  openedAt: number | null
  inHotStandby: string | null
  /** When it was not logged in; no session then. */
  refusedAt: number | null
  closedAt: number | null
  closedBy: 'client' | 'other' | null
  /** Of the refusal, or of the end. */
  error: ClientError | null
  readonly operations: Operation[]
}

/** From the first moment it may have worked to the last. */
export interface Fault {
  readonly id: number
  readonly fault: string
  readonly target: string
  readonly from: number
  /** Infinity when it was not taken back. */
  to: number
  readonly effect: FaultEffect
}

export interface OperatorWork {
  readonly action: string
  readonly target: string
  readonly from: number
  to: number
}

/** An epoch that a proxy told in its log, or `null`: it has lost its memory. */
export interface ToldEpoch {
  readonly at: number
  readonly how: 'accepted' | 'restored' | 'forgotten'
  readonly epoch: { readonly node: string; readonly timelineId: number } | null
}

/** A change of a proxy's decision, as it told it. */
export interface ToldDecision {
  readonly at: number
  readonly state: string
  readonly primary: string | null
}

export interface HistoryIndex {
  readonly events: readonly HistoryEvent[]
  readonly sessions: readonly ClientSession[]
  /** All of all sessions, by the time they were asked. */
  readonly operations: readonly { readonly session: ClientSession; readonly operation: Operation }[]
  readonly faults: readonly Fault[]
  readonly operators: readonly OperatorWork[]
  readonly truths: ReadonlyMap<string, readonly TruthEvent[]>
  readonly epochs: ReadonlyMap<string, readonly ToldEpoch[]>
  readonly decisions: ReadonlyMap<string, readonly ToldDecision[]>
  readonly processes: ReadonlyMap<string, readonly ProcessEvent[]>
  readonly phases: readonly PhaseEvent[]
  /** Time of the last event; 0 when there is none. */
  readonly endAt: number
  /** Events that belong to nothing that began. */
  readonly strayCount: number
}

/** `events` in any order. */
export function indexHistory(events: readonly HistoryEvent[]): HistoryIndex {
  const ordered = [...events].sort((a, b) => a.at - b.at)
  const build = new IndexBuilder()
  for (const event of ordered) build.take(event)
  return build.finish(ordered)
}

class IndexBuilder {
  readonly #sessions = new Map<string, ClientSession>()
  readonly #faults = new Map<number, Fault>()
  readonly #operators: OperatorWork[] = []
  readonly #truths = new Map<string, TruthEvent[]>()
  readonly #epochs = new Map<string, ToldEpoch[]>()
  readonly #decisions = new Map<string, ToldDecision[]>()
  readonly #processes = new Map<string, ProcessEvent[]>()
  readonly #phases: PhaseEvent[] = []
  #strayCount = 0

  take(event: HistoryEvent): void {
    switch (event.kind) {
      case 'truth':
        return push(this.#truths, event.node, event)
      case 'fault':
        if (event.phase === 'begin') this.#beginFault(event)
        else this.#endInterval(this.#faults.get(event.id), event.at)
        return
      case 'operator':
        return this.#takeOperator(event)
      case 'process':
        return push(this.#processes, event.proxy, event)
      case 'log':
        return this.#takeLog(event)
      case 'phase':
        this.#phases.push(event)
        return
      case 'connect':
        return this.#connect(event)
      case 'opened':
        return this.#with(event.session, (session) => {
          session.openedAt = event.at
          session.inHotStandby = event.inHotStandby
        })
      case 'refused':
        return this.#with(event.session, (session) => {
          session.refusedAt = event.at
          session.error = event.error
        })
      case 'closed':
        return this.#with(event.session, (session) => {
          session.closedAt = event.at
          session.closedBy = event.by
          session.error = event.error
        })
      case 'asked': {
        const { kind, at, ...rest } = event
        const open = { ...rest, askedAt: at, endedAt: null, outcome: 'open', answer: null, error: null } as const
        return this.#with(event.session, (session) => session.operations.push({ ...open }))
      }
      case 'answered':
      case 'failed':
      case 'unknown':
        return this.#with(event.session, (session) => {
          const operation = session.operations.findLast(({ op }) => op === event.op)
          if (operation === undefined) {
            this.#strayCount += 1
            return
          }
          operation.endedAt = event.at
          operation.outcome = event.kind
          if (event.kind === 'answered') operation.answer = event
          else operation.error = event.error
        })
      default: {
        const unhandled: never = event
        return unhandled
      }
    }
  }

  finish(events: readonly HistoryEvent[]): HistoryIndex {
    const sessions = [...this.#sessions.values()]
    const operations = sessions.flatMap((session) => session.operations.map((operation) => ({ session, operation })))
    return {
      events,
      sessions,
      operations: operations.sort((a, b) => a.operation.askedAt - b.operation.askedAt),
      faults: [...this.#faults.values()],
      operators: this.#operators,
      truths: this.#truths,
      epochs: this.#epochs,
      decisions: this.#decisions,
      processes: this.#processes,
      phases: this.#phases,
      endAt: events.at(-1)?.at ?? 0,
      strayCount: this.#strayCount,
    }
  }

  #connect({ kind, at, ...rest }: ConnectEvent): void {
    this.#sessions.set(rest.session, {
      ...rest,
      connectAt: at,
      openedAt: null,
      inHotStandby: null,
      refusedAt: null,
      closedAt: null,
      closedBy: null,
      error: null,
      operations: [],
    })
  }

  #beginFault({ at, id, fault, target, effect }: Extract<HistoryEvent, { kind: 'fault' }>): void {
    this.#faults.set(id, { id, fault, target, from: at, to: Number.POSITIVE_INFINITY, effect })
    // From the moment on that it may be gone: until the next line of the log nobody knows what it remembers.
    for (const proxy of effect.forgets ?? []) push(this.#epochs, proxy, { at, how: 'forgotten', epoch: null })
  }

  #takeOperator({ at, action, target, phase }: OperatorEvent): void {
    if (phase === 'begin') {
      this.#operators.push({ action, target, from: at, to: Number.POSITIVE_INFINITY })
      return
    }
    const isOpen = (work: OperatorWork): boolean =>
      work.action === action && work.target === target && work.to === Number.POSITIVE_INFINITY
    this.#endInterval(this.#operators.findLast(isOpen), at)
  }

  #endInterval(interval: { to: number } | undefined, at: number): void {
    if (interval === undefined) this.#strayCount += 1
    else interval.to = at
  }

  #takeLog({ at, proxy, record }: LogEvent): void {
    const { msg, epoch, state, primary } = record
    const isAccepted = msg === 'primary accepted'
    if (isAccepted || msg === 'last accepted primary') {
      const { node, timelineId } = (epoch ?? {}) as Readonly<Record<string, unknown>>
      if (typeof node !== 'string' || typeof timelineId !== 'number') return
      push(this.#epochs, proxy, { at, how: isAccepted ? 'accepted' : 'restored', epoch: { node, timelineId } })
    }
    if (msg !== 'decision' || typeof state !== 'string') return
    push(this.#decisions, proxy, { at, state, primary: typeof primary === 'string' ? primary : null })
  }

  #with(id: string, change: (session: ClientSession) => void): void {
    const session = this.#sessions.get(id)
    if (session === undefined) this.#strayCount += 1
    else change(session)
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

/** The server that a session is on, from its first answer; `null` while it had none. */
export function nodeOf(session: ClientSession): string | null {
  return session.operations.find(({ answer }) => answer !== null)?.answer?.view.node ?? null
}

/** An operation with its answer, and its session. */
export interface AnsweredOperation {
  readonly session: ClientSession
  readonly operation: Operation & { readonly answer: AnsweredEvent; readonly endedAt: number }
}

/** What was answered to those who may write, by the time it was asked. */
export function answeredWrites({ operations }: HistoryIndex): readonly AnsweredOperation[] {
  return operations.filter(
    (each): each is AnsweredOperation =>
      each.session.route === 'write' && each.operation.answer !== null && each.operation.endedAt !== null,
  )
}
