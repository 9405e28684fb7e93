/**
 * All sessions of the process: by node, by cancel key, and how they ended. Effect layer; it applies the verdicts of a
 * decision to the sessions it concerns and holds no opinion of its own.
 */
import { ClientCounts } from '../session/client-counts.ts'
import { CLOSE_REASON_KINDS, type CloseReasonKind } from '../session/close-reason.ts'
import { countSessions, type SessionFigures, type Traffic } from '../session/session-figures.ts'
import { TurnoverMap } from '../session/turnover-map.ts'
import type { Decision } from '../topology/topology-state.ts'
import type { Session } from './session.ts'

export class SessionRegistry {
  readonly #onChange: () => void
  /** By number, as on a node. */
  readonly #sessions = new TurnoverMap<number, Session>()
  readonly #byNode = new Map<string, TurnoverMap<number, Session>>()
  readonly #byCancelKey = new TurnoverMap<string, Session>()
  readonly #cancelKeys = new Map<number, string>()
  readonly #ended = new Map<CloseReasonKind, number>(CLOSE_REASON_KINDS.map((kind) => [kind, 0]))
  #acceptedCount = 0
  #lastSessionId = 0
  #endedTraffic: Traffic = { fromClient: 0, toClient: 0 }
  #onEmpty: (() => void) | null = null
  #backendCount = 0
  #borrowedCount = 0
  /** Sessions by client address, where each takes its own place. */
  readonly clients = new ClientCounts()

  /** `onChange`: sessions have come or gone, or are on another node. */
  constructor({ onChange = () => undefined }: { readonly onChange?: () => void } = {}) {
    this.#onChange = onChange
  }

  get size(): number {
    return this.#sessions.size
  }

  /** File descriptors that sessions and cancel requests have, or are about to have. */
  get descriptorCount(): number {
    return this.#sessions.size + this.#backendCount + this.#borrowedCount
  }

  /** Counts a connection to a server that may outlive its session. The returned function gives it back, once. */
  borrowDescriptor(): () => void {
    this.#borrowedCount += 1
    let isOut = true
    return () => {
      if (isOut) this.#borrowedCount -= 1
      isOut = false
    }
  }

  /** Since the start of the process. */
  get acceptedCount(): number {
    return this.#acceptedCount
  }

  /** How many sessions ended for each reason since the start of the process. */
  get endedCounts(): Readonly<Record<CloseReasonKind, number>> {
    return Object.fromEntries(this.#ended) as Record<CloseReasonKind, number>
  }

  /** Counted now: walks through all sessions. */
  get figures(): SessionFigures {
    return countSessions(this.#sessions.values(), this.#endedTraffic)
  }

  /** The next session gets this number: where several processes have sessions, somebody else counts them. */
  numberNext(id: number): void {
    this.#lastSessionId = id - 1
  }

  /** The number of the next session. */
  nextSessionId(): number {
    this.#lastSessionId += 1
    return this.#lastSessionId
  }

  add(session: Session): void {
    this.#acceptedCount += 1
    this.#sessions.set(session.id, session)
    this.#onChange()
  }

  remove(session: Session, kind: CloseReasonKind): void {
    if (!this.#sessions.delete(session.id)) return
    this.#ended.set(kind, (this.#ended.get(kind) ?? 0) + 1)
    const { fromClient, toClient } = this.#endedTraffic
    const { traffic } = session
    this.#endedTraffic = { fromClient: fromClient + traffic.fromClient, toClient: toClient + traffic.toClient }
    this.#onChange()
    if (this.#sessions.size === 0) this.#onEmpty?.()
  }

  /** Counts a connection that was closed before it could become a session. */
  turnAway(kind: CloseReasonKind): void {
    this.#acceptedCount += 1
    this.#ended.set(kind, (this.#ended.get(kind) ?? 0) + 1)
    this.#onChange()
  }

  join(node: string, session: Session): void {
    this.#backendCount += 1
    const sessions = this.#byNode.get(node) ?? new TurnoverMap()
    sessions.set(session.id, session)
    this.#byNode.set(node, sessions)
    this.#onChange()
  }

  leave(node: string, session: Session): void {
    if (this.#byNode.get(node)?.delete(session.id) !== true) return
    this.#backendCount -= 1
    this.#onChange()
  }

  /** Nodes with sessions, and how many. */
  get countsByNode(): ReadonlyMap<string, number> {
    return new Map([...this.#byNode].map(([node, sessions]) => [node, sessions.size]))
  }

  /** Sessions with an open or opening connection to the node. */
  countOn(node: string): number {
    return this.#byNode.get(node)?.size ?? 0
  }

  learnCancelKey(key: string, session: Session): void {
    this.#byCancelKey.set(key, session)
    this.#cancelKeys.set(session.id, key)
  }

  forgetCancelKey(session: Session): void {
    const key = this.#cancelKeys.get(session.id)
    if (key === undefined) return
    this.#cancelKeys.delete(session.id)
    // Two servers may have given the same key; the younger session has it now.
    if (this.#byCancelKey.get(key) === session) this.#byCancelKey.delete(key)
  }

  /** The node of the session that owns the key; `null` when the key is not known (TLS we cannot read, another proxy). */
  nodeOfCancelKey(key: string): string | null {
    return this.#byCancelKey.get(key)?.node ?? null
  }

  /** Ends or moves every session that the decision leaves without its node. Returns how many were ended. */
  applyDecision(decision: Decision): number {
    let endedCount = 0
    for (const [node, sessions] of this.#byNode) {
      if (sessions.size === 0) {
        this.#byNode.delete(node)
        continue
      }
      for (const session of [...sessions.values()]) {
        if (session.obey(decision) === 'ended') endedCount += 1
      }
    }
    return endedCount
  }

  /** A copy: sessions may end while it is walked through. */
  all(): Session[] {
    return [...this.#sessions.values()]
  }

  /** Resolves when no session is left; at once when none is there. */
  async whenEmpty(): Promise<void> {
    if (this.#sessions.size === 0) return
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    this.#onEmpty = null
  }
}
