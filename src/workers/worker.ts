/**
 * The inside of a worker process: has sessions, and does with them what the main process says. Composition layer. It
 * probes nothing, decides nothing and accepts nothing; when the main process is gone it ends its sessions at once, as
 * nobody would fence them any more.
 */
import type { Socket } from 'node:net'
import process from 'node:process'
import type { Duplex } from 'node:stream'
import { isatty } from 'node:tty'
import type { Logger } from 'pino'
import { StartError } from '../daemon/start-error.ts'
import { systemClock } from '../daemon/system-clock.ts'
import { createSharedLookup } from '../net/shared-lookup.ts'
import { EventLoopDelay } from '../observability/event-loop-delay.ts'
import { createLogger } from '../observability/logger.ts'
import type { NodeIdentity } from '../ports.ts'
import type { HoldOutcome } from '../session/hold-queue.ts'
import { ControlChannel } from './control-channel.ts'
import { readDescriptorLimit } from './descriptor-guard.ts'
import { LocalSessions } from './local-sessions.ts'
import type {
  Answer,
  Fault,
  PassedConnection,
  Question,
  ToMain,
  ToWorker,
  WorkerCharter,
  WorkerCounts,
  WorkerHealth,
} from './messages.ts'
import { Questions } from './questions.ts'

/** Changes of sessions within this time are told together. */
const COUNTS_DELAY_MS = 2
/** Where sessions come and go all the time, and there is room for more: a word on each would cost more than the session. */
const COUNTS_INTERVAL_MS = 50
/** Of its share of sessions: from there on the main process has to know exactly how many there are. */
const TIGHT_PART = 0.9
/** How long the main process may take to answer: it may have to ask the others. */
const ANSWER_MS = 1_000
/** The main process asks for a sign of life every second. One that is stopped or hangs fences nobody, as if it were gone. */
export const MAIN_SILENT_MS = 10_000
const WATCH_INTERVAL_MS = 1_000

export class Worker {
  readonly #clock = systemClock
  readonly #control: ControlChannel<ToMain, ToWorker>
  readonly #questions = new Questions(systemClock)
  readonly #eventLoopDelay = new EventLoopDelay()
  /** Both are there from `begin` on. */
  #sessions: LocalSessions | null = null
  #logger: Logger | null = null
  #members: readonly NodeIdentity[] = []
  #version = 0
  #takePrepared: () => void = () => undefined
  /** Passed before their configuration was there. */
  #early: { readonly socket: Socket; readonly passed: PassedConnection }[] = []
  #takenUpTo = 0
  #clients: string[] = []
  #leftClients: string[] = []
  #dials: WorkerCounts['dials'][number][] = []
  #holdEnds: { readonly outcome: HoldOutcome; readonly waitedMs: number }[] = []
  #cancelCounts: (() => void) | null = null
  #countedAt = 0
  /** The configuration that comes next has a limit for each address, or the one that is here. */
  #isToLimitAddresses = false
  #isEndExplained = false
  #heardAt = systemClock.now()
  #cancelWatch: () => void = () => undefined
  #isOver = false
  readonly #hurry = Promise.withResolvers<void>()

  constructor(control: Duplex) {
    this.#control = new ControlChannel(control, (message) => this.#obey(message))
    this.#watchMain()
  }

  /** Resolves when the main process has let go of this one, or is gone, and no session is left. */
  async run(): Promise<void> {
    await this.#control.closed
    this.#cancelWatch()
    this.#isOver = true
    const sessions = this.#sessions
    if (sessions !== null) {
      const { size } = sessions
      const logger = this.#logger
      if (size > 0 && !this.#isEndExplained && logger !== null)
        logger.error({ sessions: size }, 'the main process is gone: sessions end')
      for (const { socket } of this.#early) socket.destroy()
      await this.#endSessions(sessions)
      await sessions.close()
    }
    this.#cancelCounts?.()
    this.#questions.close()
    this.#eventLoopDelay.close()
  }

  /** `socket` is not there when the client has left on the way. */
  take(passed: PassedConnection, socket: Socket | undefined): void {
    this.#takenUpTo = passed.id
    this.#noteChange()
    if (socket === undefined) return
    // What a listener says when it accepts for itself.
    socket.allowHalfOpen = true
    if (passed.version > this.#version || this.#sessions === null) this.#early.push({ socket, passed })
    else this.#sessions.accept(socket, passed.listener, passed.id)
  }

  #watchMain(): void {
    const dueAt = this.#clock.now() + WATCH_INTERVAL_MS
    this.#cancelWatch = this.#clock.schedule(WATCH_INTERVAL_MS, () => {
      const now = this.#clock.now()
      // When this process itself stood still, there may be words that it has not read.
      if (now - dueAt > WATCH_INTERVAL_MS) this.#heardAt = now
      const silentMs = Math.round(now - this.#heardAt)
      if (silentMs < MAIN_SILENT_MS) return this.#watchMain()
      const [logger, sessions] = [this.#logger, this.#sessions?.size ?? 0]
      if (logger !== null) logger.error({ silentMs, sessions }, 'the main process says nothing: sessions end')
      this.#isEndExplained = true
      this.#control.destroy()
    })
  }

  #obey(message: ToWorker): void {
    this.#heardAt = this.#clock.now()
    if (message.kind === 'begin') return void this.#begin(message.charter)
    const sessions = this.#sessions
    const logger = this.#logger
    if (sessions === null || logger === null) return
    switch (message.kind) {
      case 'fence': {
        this.#members = message.members
        const endedCount = sessions.fence(message.decision)
        return this.#control.tell({
          kind: 'fenced',
          round: message.round,
          endedCount,
          counts: this.#takeCounts(sessions),
        })
      }
      case 'admit':
        return sessions.admit()
      case 'renew':
        this.#members = message.members
        return sessions.renew(message.decision)
      case 'ping':
        return this.#control.tell({ kind: 'pong', health: this.#health() })
      case 'ask': {
        const { id, question } = message
        void this.#answer(question, sessions).then((answer) => this.#control.tell({ kind: 'answer', id, answer }))
        return
      }
      case 'answer':
        return this.#questions.take(message.id, message.answer)
      case 'commit':
        this.#takePrepared()
        this.#takePrepared = () => undefined
        return this.#takeVersion(message.version)
      case 'log':
        logger.level = message.level
        logger.setBindings(message.fields)
        return
      case 'end-waiting':
        return sessions.endWaiting()
      case 'end':
        this.#isEndExplained = true
        if (message.atOnce) this.#hurry.resolve()
        return void this.#endSessions(sessions)
      default:
        message satisfies never
    }
  }

  async #begin({ worker, config, version, log }: WorkerCharter): Promise<void> {
    const isTerminal = isatty(1)
    const logger = await createLogger({ ...log, isTerminal, useColor: isTerminal && !process.env['NO_COLOR'] })
    logger.setBindings({ worker })
    const sessions = new LocalSessions({
      config,
      logger,
      clock: this.#clock,
      lookup: createSharedLookup(),
      readDescriptorLimit,
      addressOf: (node) => this.#members.find(({ name }) => name === node)?.address ?? null,
      news: {
        onHint: (node, hint) => this.#control.tell({ kind: 'hint', node, hint }),
        onDialed: (node, errno) => {
          this.#dials.push({ node, errno })
          this.#noteChange()
        },
        onFirstRouted: (node, afterDecisionMs) => this.#control.tell({ kind: 'first-routed', node, afterDecisionMs }),
        onAllReleased: (count) => this.#control.tell({ kind: 'all-released', count }),
        onHoldEnded: (outcome, waitedMs) => {
          this.#holdEnds.push({ outcome, waitedMs })
          this.#noteChange()
        },
      },
      among: {
        worker,
        onChange: () => this.#noteChange(),
        findCancelNode: (key) => this.#findCancelNode(key),
        places: {
          take: (client, placesMax) => this.#takePlace(client, placesMax),
          note: (client) => {
            this.#clients.push(client)
            if (this.#isToLimitAddresses) this.#tellCounts()
            else this.#noteChange()
          },
          leave: (client) => {
            this.#leftClients.push(client)
            // Where places are few the next one may be waiting for it.
            if (this.#sessions?.limitsAddresses === true) this.#tellCounts()
            else this.#noteChange()
          },
        },
      },
    })
    try {
      await sessions.start()
      // The main process has gone meanwhile: nothing may keep this one.
      if (this.#isOver) return await sessions.close()
    } catch (error) {
      await sessions.close()
      return this.#control.tell({ kind: 'failed', fault: faultOf(error) })
    }
    this.#sessions = sessions
    this.#logger = logger
    this.#takeVersion(version)
    this.#control.tell({ kind: 'ready' })
  }

  async #answer(question: Question, sessions: LocalSessions): Promise<Answer> {
    switch (question.kind) {
      case 'counts':
        return { kind: 'counts', counts: this.#takeCounts(sessions) }
      case 'sessions': {
        const [picked = { total: 0, oldest: [], clients: new Map() }] = await sessions.pickSessions(question.query)
        return { kind: 'sessions', picked }
      }
      case 'figures':
        return { kind: 'figures', figures: await sessions.figures() }
      case 'cancel-node':
        return { kind: 'cancel-node', node: sessions.cancelNode(question.key) }
      case 'prepare':
        try {
          this.#takePrepared = await sessions.prepare(question.config)
          // By the time that anybody asks for one of few places, the main process is to know of all that are taken.
          this.#isToLimitAddresses = question.config.limits.maxSessionsPerAddress > 0
          this.#tellCounts()
          return { kind: 'prepared', fault: null }
        } catch (error) {
          return { kind: 'prepared', fault: faultOf(error) }
        }
      case 'place':
        throw new Error('places are given by the main process')
      default:
        return question satisfies never
    }
  }

  async #findCancelNode(key: string): Promise<string | null> {
    const answer = await this.#ask({ kind: 'cancel-node', key })
    return answer?.kind === 'cancel-node' ? answer.node : null
  }

  async #takePlace(client: string, placesMax: number): Promise<boolean> {
    const answer = await this.#ask({ kind: 'place', client, placesMax })
    return answer?.kind === 'place' && answer.isFree
  }

  async #ask(question: Question): Promise<Answer | null> {
    return await this.#questions.ask((id) => this.#control.tell({ kind: 'ask', id, question }), ANSWER_MS)
  }

  #takeVersion(version: number): void {
    this.#version = version
    for (const { socket, passed } of this.#early.splice(0)) this.#sessions?.accept(socket, passed.listener, passed.id)
  }

  #noteChange(): void {
    this.#cancelCounts ??= this.#clock.schedule(this.#countsDelayMs(), () => {
      this.#cancelCounts = null
      this.#tellCounts()
    })
  }

  #countsDelayMs(): number {
    const sessions = this.#sessions
    if (sessions === null || sessions.size >= TIGHT_PART * sessions.sessionsMax) return COUNTS_DELAY_MS
    return Math.max(COUNTS_DELAY_MS, this.#countedAt + COUNTS_INTERVAL_MS - this.#clock.now())
  }

  #tellCounts(): void {
    const sessions = this.#sessions
    if (sessions !== null) this.#control.tell({ kind: 'counts', counts: this.#takeCounts(sessions) })
  }

  #takeCounts(sessions: LocalSessions): WorkerCounts {
    this.#cancelCounts?.()
    this.#cancelCounts = null
    this.#countedAt = this.#clock.now()
    const { size, heldCount, totals, acceptedCount, endedCounts, countsByNode: byNode } = sessions
    const [clients, leftClients] = [this.#clients, this.#leftClients]
    const [dials, holdEnds] = [this.#dials, this.#holdEnds]
    this.#clients = []
    this.#leftClients = []
    this.#dials = []
    this.#holdEnds = []
    const takenUpTo = this.#takenUpTo
    return {
      takenUpTo,
      size,
      heldCount,
      totals,
      acceptedCount,
      endedCounts,
      byNode,
      clients,
      leftClients,
      dials,
      holdEnds,
    }
  }

  #health(): WorkerHealth {
    const { user, system } = process.cpuUsage()
    const eventLoopDelayMs = (this.#eventLoopDelay.take()?.max ?? 0) * 1e3
    return { rssBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6, eventLoopDelayMs }
  }

  async #endSessions(sessions: LocalSessions): Promise<void> {
    await sessions.end({ graceMs: 0, hurry: this.#hurry.promise })
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof StartError) return { message: error.message, hint: error.hint }
  throw error
}
