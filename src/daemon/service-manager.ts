/**
 * What the service manager is told, in systemd's words: READY, MAINPID, RELOADING, STOPPING, STATUS, WATCHDOG. Composition layer.
 * One message is under way at a time; what comes meanwhile is merged to what is still true, so that nothing piles up and
 * nothing waits for the manager. It knows the protocol and nothing of the proxy.
 *
 * @see https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
 */
import type { Logger } from 'pino'
import type { Clock } from '../ports.ts'
import type { NotifySender } from './notify-helper.ts'

/** The least time between two messages that bring only a new status: a flapping cluster costs one process a second. */
export const STATUS_GAP_MS = 1_000
/** A message that could not be sent is sent again with what is true then, after this time. */
export const RETRY_MS = 5_000
/** How long the last words may take at the end. */
export const FAREWELL_MS = 2_000
/** A datagram to the manager may have 4 kB in all. */
const STATUS_LENGTH_MAX = 1_000

/** What is still to be said. The states are sent in this order, one to a message; the rest goes with whichever is next. */
interface Pending {
  readonly reloading: string | null
  readonly isReady: boolean
  readonly stopping: string | null
  readonly status: string | null
  readonly isAlive: boolean
}

const NOTHING: Pending = { reloading: null, isReady: false, stopping: null, status: null, isAlive: false }

export class ServiceManager {
  readonly #sender: NotifySender
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #monotonicUsec: () => bigint
  #pending: Pending = NOTHING
  #status = ''
  #isReady = false
  #mainPid: number | null = null
  #isStopping = false
  #isFailing = false
  #isClosed = false
  #underWay: Promise<void> | null = null
  #sentAt = Number.NEGATIVE_INFINITY
  #cancelWait: (() => void) | null = null

  constructor(options: {
    readonly sender: NotifySender
    readonly clock: Clock
    readonly logger: Logger
    /** CLOCK_MONOTONIC in microseconds, as the manager reads it. */
    readonly monotonicUsec: () => bigint
  }) {
    this.#sender = options.sender
    this.#clock = options.clock
    this.#logger = options.logger
    this.#monotonicUsec = options.monotonicUsec
  }

  /** The line in `systemctl status`. Saying the same again costs nothing. */
  status(text: string): void {
    const line = text.replace(/\p{Cc}+/gu, ' ').slice(0, STATUS_LENGTH_MAX)
    if (line === this.#status) return
    this.#status = line
    this.#add({ status: line })
  }

  /** The start is over. Only the first call counts. `mainPid`: this process takes the place of the one that was started. */
  ready(mainPid: number | null = null): void {
    if (this.#isReady || this.#isStopping) return
    this.#isReady = true
    this.#mainPid = mainPid
    this.#add({ isReady: true })
  }

  /** A reload begins; `reloaded` must follow. Means nothing while the start is not over, or when it is being stopped. */
  reloading(): void {
    if (!this.#isReady || this.#isStopping) return
    // An earlier reload that the manager has not heard of yet is part of this one.
    this.#add({ reloading: `${this.#monotonicUsec()}`, isReady: false })
  }

  /** The reload has come to its end, whatever became of it. */
  reloaded(): void {
    if (this.#isReady && !this.#isStopping) this.#add({ isReady: true })
  }

  /** The end begins, and is there within this time: the manager does not kill before, whatever its own limit is. */
  stopping(withinMs: number): void {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#add({ reloading: null, isReady: false, stopping: `${Math.ceil(withinMs) * 1000}` })
  }

  /** A sign of life for the watchdog. */
  alive(): void {
    this.#add({ isAlive: true })
  }

  /** Says what is still to be said, for at most FAREWELL_MS, and ends the helper. */
  async close(): Promise<void> {
    let cancel = (): void => undefined
    const timeUp = new Promise<void>((resolve) => {
      cancel = this.#clock.schedule(FAREWELL_MS, resolve)
    })
    await Promise.race([this.#said(), timeUp])
    cancel()
    this.#isClosed = true
    this.#cancelWait?.()
    this.#sender.close()
  }

  async #said(): Promise<void> {
    if (this.#underWay === null && hasNews(this.#pending)) this.#send()
    while (this.#underWay !== null) {
      await this.#underWay
      // Another try would come too late.
      if (this.#isFailing) return
    }
  }

  #add(news: Partial<Pending>): void {
    if (this.#isClosed) return
    this.#pending = { ...this.#pending, ...news }
    this.#plan()
  }

  /** Sends now, or when it is time, or leaves it to the end of what is under way. */
  #plan(): void {
    if (this.#underWay !== null || this.#isClosed || !hasNews(this.#pending)) return
    this.#cancelWait?.()
    this.#cancelWait = null
    const delayMs = this.#sentAt + this.#gapMs() - this.#clock.now()
    if (delayMs <= 0) this.#send()
    else this.#cancelWait = this.#clock.schedule(delayMs, () => this.#send())
  }

  #gapMs(): number {
    const { reloading, isReady, stopping, isAlive } = this.#pending
    if (this.#isFailing) return RETRY_MS
    return reloading !== null || isReady || stopping !== null || isAlive ? 0 : STATUS_GAP_MS
  }

  #send(): void {
    const { reloading, isReady, stopping, status, isAlive } = this.#pending
    const message: string[] = []
    let rest: Pending = NOTHING
    if (reloading !== null) {
      message.push('RELOADING=1', `MONOTONIC_USEC=${reloading}`)
      if (isReady) rest = { ...NOTHING, isReady }
    } else if (isReady) message.push('READY=1', ...(this.#mainPid === null ? [] : [`MAINPID=${this.#mainPid}`]))
    else if (stopping !== null) message.push('STOPPING=1', `EXTEND_TIMEOUT_USEC=${stopping}`)
    if (status !== null) message.push(`STATUS=${status}`)
    if (isAlive) message.push('WATCHDOG=1')
    const sent = this.#pending
    this.#pending = rest
    this.#cancelWait?.()
    this.#cancelWait = null
    this.#sentAt = this.#clock.now()
    this.#underWay = this.#sender.send(message).then((problem) => {
      this.#underWay = null
      this.#takeOutcome(problem, sent)
      this.#plan()
    })
  }

  #takeOutcome(problem: string | null, sent: Pending): void {
    if (problem === null) {
      if (this.#isFailing) this.#logger.info('the service manager is told again')
      this.#isFailing = false
      return
    }
    if (!this.#isFailing && !this.#isClosed) {
      this.#logger.warn({ problem }, 'the service manager cannot be told what the proxy does')
    }
    this.#isFailing = true
    const { reloading, isReady, stopping, status } = this.#pending
    const isStopping = this.#isStopping
    // A sign of life is not given a second time: by then it may be untrue.
    this.#pending = {
      reloading: isStopping ? null : (reloading ?? sent.reloading),
      isReady: !isStopping && (isReady || (sent.isReady && reloading === null)),
      stopping: stopping ?? sent.stopping,
      status: status ?? sent.status,
      isAlive: this.#pending.isAlive,
    }
  }
}

function hasNews({ reloading, isReady, stopping, status, isAlive }: Pending): boolean {
  return reloading !== null || isReady || stopping !== null || status !== null || isAlive
}
