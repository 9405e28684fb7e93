/**
 * Small histories made by hand, for the tests of the checker. Test support, pure. Times are milliseconds from 0; what is
 * not said is as in a cluster that is well: proxy1 has accepted node1 on timeline 1, at 0.
 */
import { checkHistory } from './check-history.ts'
import type { CheckLimits } from './check-limits.ts'
import {
  type ClientError,
  echoesOf,
  type FaultEffect,
  type HistoryEvent,
  type Route,
  type ServerView,
} from './history.ts'
import type { FinalState } from './tables.ts'
import type { RuleName } from './violation.ts'

const TRUTH_PACE_MS = 100

/** What a server says of itself, for a test that does not care. */
export function view(node: string, timelineId: number | null = 1, rest: Partial<ServerView> = {}): ServerView {
  return { node, timelineId, pid: 7, inRecovery: timelineId === null, startedAt: `${node} run 1`, ...rest }
}

/** An error as the client sees it. */
export function told(code: string | null, message: string, detail: string | null = null): ClientError {
  return { code, severity: code !== null && /^\d/.test(code) ? 'FATAL' : null, message, detail }
}

export const NO_PRIMARY = told(
  '57P03',
  'the database system is not accepting connections: no primary available (no connection to the server)',
)
export const ADMIN_SHUTDOWN = told('57P01', 'terminating connection due to administrator command')

/** A truth over a time. */
interface MadeTruth {
  readonly from?: number
  readonly to?: number
  readonly timelineId: number | null
  readonly inRecovery?: boolean
  readonly confirmed?: boolean
  readonly run?: number
}

export class MadeHistory {
  readonly events: HistoryEvent[] = []
  readonly #rows: { client: string; n: number; nonce: string }[] = []
  #final: Partial<FinalState> = {}
  #faultCount = 0

  /** `null`: no epoch is told. */
  constructor(epoch: { readonly node: string; readonly timelineId: number } | null = { node: 'node1', timelineId: 1 }) {
    this.events.push({ kind: 'phase', at: 0, episode: 0, phase: 'started', detail: '' })
    if (epoch !== null) this.accepted('proxy1', 0, epoch.node, epoch.timelineId)
  }

  /** Samples ten times a second, from 0 to 60,000 unless told otherwise. */
  truth(node: string, { from = 0, to = 60_000, timelineId, inRecovery = false, confirmed, run = 1 }: MadeTruth): this {
    for (let at = from; at <= to; at += TRUTH_PACE_MS) {
      const sample = { inRecovery, timelineId, confirmed: confirmed ?? !inRecovery, startedAt: `${node} run ${run}` }
      this.events.push({ kind: 'truth', at, askedAt: at, node, problem: null, ...sample })
    }
    return this
  }

  standby(node: string, timelineId = 1): this {
    return this.truth(node, { timelineId, inRecovery: true })
  }

  /** `to` left out: it is never taken back. */
  fault(effect: FaultEffect, from: number, to?: number): this {
    this.#faultCount += 1
    const same = { kind: 'fault', id: this.#faultCount, fault: 'made', target: 'made', detail: '', effect } as const
    this.events.push({ ...same, at: from, phase: 'begin' })
    if (to !== undefined) this.events.push({ ...same, at: to, phase: 'end' })
    return this
  }

  operator(action: string, target: string, from: number, to: number): this {
    const same = { kind: 'operator', action, target, detail: '' } as const
    this.events.push({ ...same, at: from, phase: 'begin' }, { ...same, at: to, phase: 'end' })
    return this
  }

  accepted(proxy: string, at: number, node: string, timelineId: number): this {
    return this.log(proxy, at, { msg: 'primary accepted', epoch: { node, timelineId } })
  }

  restored(proxy: string, at: number, node: string, timelineId: number): this {
    return this.log(proxy, at, { msg: 'last accepted primary', epoch: { node, timelineId } })
  }

  decision(proxy: string, at: number, state: string, primary: string | null): this {
    return this.log(proxy, at, { msg: 'decision', state, primary })
  }

  log(proxy: string, at: number, record: Record<string, unknown>): this {
    this.events.push({ kind: 'log', at, proxy, record })
    return this
  }

  started(proxy: string, at: number): this {
    this.events.push({ kind: 'process', at, proxy, pid: 1, what: 'started', detail: '' })
    return this
  }

  phase(phase: 'faults' | 'healing' | 'healed' | 'calm' | 'finished', at: number): this {
    this.events.push({ kind: 'phase', at, episode: 1, phase, detail: '' })
    return this
  }

  /** A client that begins to connect at `at`. */
  connect(client: string, at: number, route: Route = 'write', proxy = 'proxy1'): MadeSession {
    const session = `${client}.${at}`
    this.events.push({ kind: 'connect', at, client, session, proxy, route })
    return new MadeSession(this, client, session)
  }

  /** The same, logged in 10 ms later. */
  open(client: string, at: number, route: Route = 'write', proxy = 'proxy1'): MadeSession {
    return this.connect(client, at, route, proxy).opened(at + 10)
  }

  row(client: string, n: number, nonce = `${client}/${n}`): this {
    this.#rows.push({ client, n, nonce })
    return this
  }

  /** Of the last primary; node1 on timeline 1 unless told otherwise. */
  final(state: Partial<FinalState>): this {
    this.#final = state
    return this
  }

  finalState(): FinalState {
    return { node: 'node1', timelineId: 1, forks: [], ...this.#final, rows: this.#rows }
  }

  /** The rules that are broken, each once, in the order of their first violation. */
  broken(limits: Partial<CheckLimits> = {}): readonly RuleName[] {
    const { violations } = checkHistory({ events: this.events, malformed: [] }, this.finalState(), limits)
    return [...new Set(violations.map(({ rule }) => rule))]
  }
}

/** What one client does, event by event. */
export class MadeSession {
  readonly #history: MadeHistory
  readonly #client: string
  readonly #session: string
  #op = 0

  constructor(history: MadeHistory, client: string, session: string) {
    this.#history = history
    this.#client = client
    this.#session = session
  }

  opened(at: number, inHotStandby: string | null = 'off'): this {
    return this.#push({ kind: 'opened', at, session: this.#session, inHotStandby })
  }

  refused(at: number, error: ClientError): MadeHistory {
    this.#push({ kind: 'refused', at, session: this.#session, error })
    return this.#history
  }

  closed(at: number, by: 'client' | 'other' = 'client', error: ClientError | null = null): MadeHistory {
    this.#push({ kind: 'closed', at, session: this.#session, by, error })
    return this.#history
  }

  /** A write that is acknowledged 10 ms later, and in the final table unless `isLost`. */
  write(
    n: number,
    at: number,
    server = view('node1'),
    lsn = '0/100',
    isLost = false,
    seen = n === 1 ? null : n - 1,
  ): this {
    const op = this.ask(n, at)
    if (!isLost) this.#history.row(this.#client, n)
    const echoes = [`${this.#client}/${n}`]
    return this.#push({
      kind: 'answered',
      at: at + 10,
      session: this.#session,
      op,
      echoes,
      view: server,
      lsn,
      seen,
      again: null,
    })
  }

  /** Asks only. Gives the number of the operation. */
  ask(n: number, at: number): number {
    this.#op += 1
    const nonce = `${this.#client}/${n}`
    const subject = this.#client
    this.#push({ kind: 'asked', at, session: this.#session, op: this.#op, what: 'write', n, nonce, subject })
    return this.#op
  }

  /** A write that ends by an error 10 ms later. */
  fails(n: number, at: number, error: ClientError, kind: 'failed' | 'unknown' = 'failed', afterMs = 10): this {
    const op = this.ask(n, at)
    return this.#push({ kind, at: at + afterMs, session: this.#session, op, error })
  }

  /** A read of the rows of `subject`, answered 10 ms later. */
  read(subject: string, at: number, seen: number | null, server = view('node2', null), echo?: string): this {
    this.#op += 1
    const same = { session: this.#session, op: this.#op } as const
    const nonce = `${this.#client}/${at}`
    this.#push({ kind: 'asked', at, ...same, what: 'read', n: null, nonce, subject })
    const answer = { echoes: [echo ?? nonce], view: server, lsn: '0/100', seen, again: null }
    return this.#push({ kind: 'answered', at: at + 10, ...same, ...answer })
  }

  /** A write between two looks in one snapshot, in the final table. */
  twice(n: number, at: number, before: number | null, after: number | null, second = view('node1')): this {
    this.#op += 1
    const same = { session: this.#session, op: this.#op } as const
    const nonce = `${this.#client}/${n}`
    this.#history.row(this.#client, n)
    this.#push({ kind: 'asked', at, ...same, what: 'twice', n, nonce, subject: this.#client })
    const answer = { echoes: echoesOf('twice', nonce), view: view('node1'), lsn: '0/100', seen: before }
    return this.#push({ kind: 'answered', at: at + 10, ...same, ...answer, again: { view: second, seen: after } })
  }

  get history(): MadeHistory {
    return this.#history
  }

  #push(event: HistoryEvent): this {
    this.#history.events.push(event)
    return this
  }
}
