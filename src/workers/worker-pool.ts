/**
 * The sessions of the proxy in worker processes. Composition layer. This process accepts each connection and passes it to
 * the worker with the fewest; decision-relay.ts has all of them fence before any admits, worker-crew.ts replaces those
 * that end. What ended with a worker is counted and told. See docs/adr/0010-workers.md.
 */
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { LogFormat, LogLevel } from '../config/config.ts'
import type { PickedSessions, SessionQuery } from '../observability/session-list.ts'
import type { WorkerStatus } from '../observability/status.ts'
import type { Clock, NodeIdentity } from '../ports.ts'
import type { CloseReasonKind } from '../session/close-reason.ts'
import type { SessionFigures } from '../session/session-figures.ts'
import { type RouteRequest, type Routing, routeSession } from '../topology/route-session.ts'
import type { Decision } from '../topology/topology-state.ts'
import { ConnectionDesk } from './connection-desk.ts'
import { DecisionRelay } from './decision-relay.ts'
import { FAREWELL_MS } from './end-sessions.ts'
import type { Answer, Question, ToMain, ToWorker, WorkerCounts } from './messages.ts'
import { Places } from './places.ts'
import { catchUp, prepareWorkers } from './prepare-workers.ts'
import type { SessionHost, SessionNews } from './session-host.ts'
import type { HostedConfig } from './session-settings.ts'
import { share, shareOf } from './shares.ts'
import { WorkerCrew } from './worker-crew.ts'
import { WorkerLedger } from './worker-ledger.ts'
import type { WorkerProcess } from './worker-process.ts'

/** How long a page waits for the figures of a worker; those of one that does not answer are left out. */
const ANSWER_MS = 500
/** How long other workers may look for the owner of a cancel key. */
const CANCEL_ANSWER_MS = 500
/** For a worker to end, once it has no session left. */
const RELEASE_MS = 2_000

export interface WorkerPoolOptions {
  readonly count: number
  readonly config: HostedConfig
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly logger: Logger
  readonly readDescriptorLimit: () => number | null
  readonly members: () => readonly NodeIdentity[]
  readonly news: SessionNews
}

export class WorkerPool implements SessionHost {
  readonly #options: WorkerPoolOptions
  readonly #crew: WorkerCrew
  readonly #relay: DecisionRelay
  readonly #desk: ConnectionDesk
  readonly #ledger = new WorkerLedger()
  readonly #places = new Places()
  #config: HostedConfig
  #version = 1
  #logLevel: LogLevel
  #logFields: Readonly<Record<string, number>> = {}
  /** The primary that nobody has been routed to yet. */
  #firstRoutedTo: string | null = null
  #admittedPrimary: string | null = null
  #releasedCount = 0
  #isEnding = false
  #onEmpty: (() => void)[] = []

  constructor(options: WorkerPoolOptions) {
    const { count, environment, clock, logger, readDescriptorLimit, members, log } = options
    this.#options = options
    this.#config = options.config
    this.#logLevel = log.level
    this.#crew = new WorkerCrew({
      ...{ count, environment, clock, logger },
      charterOf: (worker) => ({
        ...{ worker, version: this.#version },
        config: this.#shareOf(worker),
        log: { ...log, level: this.#logLevel },
      }),
      onHeard: (worker, message) => this.#hear(worker, message),
      onReady: (worker) => this.#welcome(worker),
      onEnded: (worker) => this.#takeEnd(worker),
    })
    const workers = (): readonly WorkerProcess[] => this.#crew.ready
    this.#desk = new ConnectionDesk({
      ...{ workers, readDescriptorLimit, logger },
      version: () => this.#version,
      isDoubtful: (worker) => worker.isSlow || this.#relay.awaits(worker.worker),
      sessionsMaxOf: (worker) => share(this.#config.limits.maxSessions, worker - 1, count),
      onTurnedAway: (kind) => this.#ledger.turnAway(kind),
    })
    this.#relay = new DecisionRelay({
      ...{ clock, logger, members, workers },
      onAdmitted: () => this.#takeAdmission(),
    })
  }

  // --- Counts ------------------------------------------------------------------------------------------------------

  get size(): number {
    return this.#crew.ready.reduce((sum, { size }) => sum + size, this.#desk.waitingCount)
  }

  get heldCount(): number {
    return this.#crew.ready.reduce((sum, { counts }) => sum + (counts?.heldCount ?? 0), 0)
  }

  get totals(): { readonly held: number; readonly released: number } {
    return this.#ledger.sum(this.#crew.ready).totals
  }

  get acceptedCount(): number {
    return this.#ledger.sum(this.#crew.ready).acceptedCount
  }

  get endedCounts(): Readonly<Record<CloseReasonKind, number>> {
    return this.#ledger.sum(this.#crew.ready).endedCounts
  }

  countOn(node: string): number {
    return this.#crew.ready.reduce((sum, { counts }) => sum + (counts?.byNode.get(node) ?? 0), 0)
  }

  get workers(): readonly WorkerStatus[] {
    return this.#crew.ready.map(({ worker, pid, size, health }) => ({ worker, pid, sessions: size, ...health }))
  }

  get lostWorkerCount(): number {
    return this.#crew.lostCount
  }

  // --- Life --------------------------------------------------------------------------------------------------------

  async start(): Promise<void> {
    this.#desk.checkDescriptors()
    await this.#crew.start()
  }

  async prepare(config: HostedConfig): Promise<() => void> {
    const take = await prepareWorkers({
      workers: () => this.#crew.ready,
      configOf: (worker) => this.#shareOf(worker, config),
    })
    return () => {
      this.#config = config
      this.#version += 1
      take(this.#version)
    }
  }

  accept(socket: Socket, listener: string): void {
    this.#desk.accept(socket, listener)
  }

  takeDecision(decision: Decision, onFenced: (endedCount: number) => void): void {
    this.#relay.take(decision, onFenced)
  }

  preview(request: RouteRequest): Routing {
    return routeSession(request, {
      decision: this.#relay.decision,
      now: this.#options.clock.now(),
      decisionTtlMs: this.#config.monitor.decisionTtlMs,
      // Each worker has its own.
      doubtedAt: new Map(),
      sessionCount: (node) => this.countOn(node),
      turn: 0,
    })
  }

  async refresh(): Promise<void> {
    for (const [worker, answer] of await this.#askAll({ kind: 'counts' }))
      if (answer.kind === 'counts') this.#takeCounts(worker, answer.counts)
  }

  async pickSessions(query: SessionQuery): Promise<readonly PickedSessions[]> {
    const answers = await this.#askAll({ kind: 'sessions', query })
    return answers.flatMap(([, answer]) => (answer.kind === 'sessions' ? [answer.picked] : []))
  }

  async figures(): Promise<SessionFigures> {
    const answers = await this.#askAll({ kind: 'figures' })
    return this.#ledger.sumFigures(
      answers.flatMap(([worker, answer]) => (answer.kind === 'figures' ? [[worker, answer.figures] as const] : [])),
    )
  }

  endWaiting(): void {
    this.#desk.endWaiting()
    this.#tellAll({ kind: 'end-waiting' })
  }

  async whenEmpty(): Promise<void> {
    if (this.size === 0) return
    await new Promise<void>((resolve) => this.#onEmpty.push(resolve))
  }

  async end({ graceMs, hurry }: { readonly graceMs: number; readonly hurry: Promise<void> }): Promise<number> {
    this.#isEnding = true
    await this.#emptied(graceMs, hurry)
    const left = this.size
    this.endWaiting()
    this.#tellAll({ kind: 'end', atOnce: false })
    void hurry.then(() => this.#tellAll({ kind: 'end', atOnce: true }))
    // Each has as long for last words as a proxy without workers, and then some to say that it is done.
    await this.#emptied(FAREWELL_MS + ANSWER_MS, new Promise(() => undefined))
    return left
  }

  setLogLevel(level: LogLevel): void {
    this.#logLevel = level
    this.#tellAll({ kind: 'log', level, fields: this.#logFields })
  }

  bindLog(fields: Readonly<Record<string, number>>): void {
    this.#logFields = { ...this.#logFields, ...fields }
    this.#tellAll({ kind: 'log', level: this.#logLevel, fields: this.#logFields })
  }

  async close(): Promise<void> {
    this.#relay.close()
    this.endWaiting()
    await this.#crew.close(FAREWELL_MS + RELEASE_MS)
  }

  // --- What workers say ----------------------------------------------------------------------------------------------

  #hear(worker: WorkerProcess, message: ToMain): void {
    const { news } = this.#options
    switch (message.kind) {
      case 'counts':
        return this.#takeCounts(worker, message.counts)
      case 'fenced':
        this.#takeCounts(worker, message.counts)
        return this.#relay.takeConfirmation(worker.worker, message.round, message.endedCount)
      case 'hint':
        return news.onHint(message.node, message.hint)
      case 'first-routed':
        if (message.node === this.#firstRoutedTo) {
          this.#firstRoutedTo = null
          news.onFirstRouted(message.node, message.afterDecisionMs)
        }
        return
      case 'all-released':
        this.#releasedCount += message.count
        if (worker.counts !== null) worker.counts = { ...worker.counts, heldCount: 0 }
        return this.#noteReleased()
      case 'ask': {
        const { id, question } = message
        void this.#answer(worker, question).then((answer) => worker.tell({ kind: 'answer', id, answer }))
        return
      }
      case 'ready':
      case 'failed':
      case 'pong':
      case 'answer':
        return
      default:
        message satisfies never
    }
  }

  async #answer(asker: WorkerProcess, question: Question): Promise<Answer> {
    if (question.kind === 'place') {
      const { client, placesMax } = question
      return { kind: 'place', isFree: this.#places.take(asker.worker, client, placesMax) }
    }
    const others = this.#crew.ready.filter((each) => each !== asker)
    const asked = others.map(async (worker) => {
      const answer = await worker.ask(question, CANCEL_ANSWER_MS)
      if (answer?.kind !== 'cancel-node' || answer.node === null) throw new Error('not here')
      return answer.node
    })
    return { kind: 'cancel-node', node: await Promise.any(asked).catch(() => null) }
  }

  #takeCounts(worker: WorkerProcess, counts: WorkerCounts): void {
    const { news } = this.#options
    worker.takeCounts(counts)
    for (const client of counts.clients) this.#places.take(worker.worker, client, Number.POSITIVE_INFINITY)
    for (const client of counts.leftClients) this.#places.leave(worker.worker, client)
    for (const { node, errno } of counts.dials) news.onDialed(node, errno)
    for (const { outcome, waitedMs } of counts.holdEnds) news.onHoldEnded(outcome, waitedMs)
    this.#noteReleased()
    this.#noteEmpty()
  }

  #takeAdmission(): void {
    const primary = this.#relay.decision?.primary ?? null
    if (primary !== this.#admittedPrimary) this.#firstRoutedTo = primary
    this.#admittedPrimary = primary
  }

  #welcome(worker: WorkerProcess): void {
    worker.tell({ kind: 'log', level: this.#logLevel, fields: this.#logFields })
    this.#relay.welcome(worker)
    // A reload has come between its start and now.
    if (worker.version !== this.#version) void catchUp(worker, this.#shareOf(worker.worker), this.#version)
    this.#desk.passWaiting()
  }

  #takeEnd(process: WorkerProcess): number {
    const { worker } = process
    const { connections, lostCount } = process.salvage()
    this.#places.leaveAll(worker)
    const sessionsLost = this.#ledger.bury(process, lostCount)
    for (const connection of connections) {
      if (this.#isEnding) this.#desk.drop(connection)
      else this.#desk.pass(connection)
    }
    this.#relay.leave(worker)
    this.#noteReleased()
    this.#noteEmpty()
    return sessionsLost
  }

  /** Told once, when the last of those who waited in any worker has a node. */
  #noteReleased(): void {
    if (this.#releasedCount === 0 || this.heldCount > 0) return
    const count = this.#releasedCount
    this.#releasedCount = 0
    this.#options.news.onAllReleased(count)
  }

  #noteEmpty(): void {
    if (this.#onEmpty.length > 0 && this.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  // --- All workers ---------------------------------------------------------------------------------------------------

  #tellAll(message: ToWorker): void {
    for (const worker of this.#crew.ready) worker.tell(message)
  }

  /** The answers that came in time. */
  async #askAll(question: Question): Promise<readonly (readonly [WorkerProcess, Answer])[]> {
    const ask = async (worker: WorkerProcess) => [worker, await worker.ask(question, ANSWER_MS)] as const
    const answers = await Promise.all(this.#crew.ready.map(ask))
    return answers.flatMap(([worker, answer]) => (answer === null ? [] : [[worker, answer] as const]))
  }

  async #emptied(withinMs: number, hurry: Promise<void>): Promise<void> {
    const timeOver = Promise.withResolvers<void>()
    const cancel = this.#options.clock.schedule(withinMs, timeOver.resolve)
    await Promise.race([this.whenEmpty(), timeOver.promise, hurry])
    cancel()
  }

  #shareOf(worker: number, config: HostedConfig = this.#config): HostedConfig {
    return shareOf(config, worker - 1, this.#options.count)
  }
}
