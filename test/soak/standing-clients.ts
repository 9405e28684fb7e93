/**
 * Many clients that stay: idle, or asking at a bounded rate together, some reading slowly, some canceled. Test support.
 * Who is thrown out comes back when told to. Open loop: when an answer is late, the next question is not put off for it.
 */
import { connect } from 'node:net'
import { createHistogram } from 'node:perf_hooks'
import { type ClientTarget, SoakClient } from './soak-client.ts'
import { BULK_SQL, cancelRequest, QUICK_SQL, query, SLEEP_SQL } from './wire.ts'

export interface StandingOrder {
  readonly target: ClientTarget
  readonly count: number
  /** New sessions a second while there are too few. */
  readonly openPerSecond: number
  /** Questions a second, of all together. */
  readonly queriesPerSecond: number
  /** How many of them read a large answer slowly instead, again and again. */
  readonly slowReaders: number
  /** How many of them ask for a long sleep instead, and cancel it. */
  readonly cancelers: number
  /** Who is thrown out opens a session again. */
  readonly comesBack: boolean
}

/** Counted since the order was given, but for `open`. Times in milliseconds. */
export interface StandingReport {
  readonly open: number
  readonly opened: number
  readonly answers: number
  /** Questions that found everybody still waiting for an answer. */
  readonly skipped: number
  readonly canceled: number
  readonly bulkAnswers: number
  /** How sessions ended that did not leave by themselves. */
  readonly ended: Readonly<Record<string, number>>
  readonly loginMs: Percentiles
  readonly answerMs: Percentiles
}

export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly max: number
}

const TICK_MS = 20
/** So that a listener whose proxy is busy is not flooded with connections it has no time to take. */
const OPENING_MAX = 400
const SLOW_READ_MS = 100
const CANCEL_AFTER_MS = 100
const QUICK = query(QUICK_SQL)

export class StandingClients {
  readonly #order: StandingOrder
  readonly #clients = new Set<SoakClient>()
  /** Those that may ask, who has waited longest first. */
  readonly #ready = new Set<SoakClient>()
  readonly #ended = new Map<string, number>()
  readonly #loginUs = createHistogram()
  readonly #answerUs = createHistogram()
  readonly #tick: NodeJS.Timeout
  #open = 0
  #opened = 0
  #answers = 0
  #skipped = 0
  #canceled = 0
  #bulkAnswers = 0
  #slowReaders = 0
  #cancelers = 0
  #openDue = 0
  #queriesDue = 0
  #lastTick = performance.now()
  #isClosing = false
  #onGone: (() => void) | null = null

  constructor(order: StandingOrder) {
    this.#order = order
    this.#tick = setInterval(() => this.#work(), TICK_MS)
  }

  report(): StandingReport {
    return {
      open: this.#open,
      opened: this.#opened,
      answers: this.#answers,
      skipped: this.#skipped,
      canceled: this.#canceled,
      bulkAnswers: this.#bulkAnswers,
      ended: Object.fromEntries(this.#ended),
      loginMs: percentiles(this.#loginUs),
      answerMs: percentiles(this.#answerUs),
    }
  }

  /** Stops asking, and has everybody leave. Resolves when all connections are gone. */
  async close(): Promise<StandingReport> {
    this.#isClosing = true
    clearInterval(this.#tick)
    if (this.#clients.size > 0) {
      const gone = new Promise<void>((resolve) => {
        this.#onGone = resolve
      })
      // Every second one as a program that ends in order, the others as one that is killed. Who sleeps is canceled
      // first: a server does not notice that a sleeper's client has gone.
      for (const [index, client] of [...this.#clients].entries()) {
        if (client.key !== null && !client.isReady) continue
        if (index % 2 === 0) client.leave()
        else client.drop()
      }
      await gone
    }
    return this.report()
  }

  #work(): void {
    const now = performance.now()
    const seconds = Math.min(1, (now - this.#lastTick) / 1000)
    this.#lastTick = now
    const { count, openPerSecond, queriesPerSecond, comesBack } = this.#order
    this.#openDue = Math.min(openPerSecond, this.#openDue + openPerSecond * seconds)
    const mayOpen = () => this.#clients.size < count && this.#clients.size - this.#open < OPENING_MAX
    const isDue = () => comesBack || this.#opened < count
    while (this.#openDue >= 1 && mayOpen() && isDue()) {
      this.#openDue -= 1
      this.#openOne()
    }
    this.#queriesDue += queriesPerSecond * seconds
    while (this.#queriesDue >= 1) {
      this.#queriesDue -= 1
      this.#askOne()
    }
  }

  #openOne(): void {
    const { target, slowReaders, cancelers } = this.#order
    const isSlow = this.#slowReaders < slowReaders
    const isCanceler = !isSlow && this.#cancelers < cancelers
    if (isSlow) this.#slowReaders += 1
    if (isCanceler) this.#cancelers += 1
    const client = new SoakClient({
      target,
      keepsKey: isCanceler,
      ...(isSlow ? { readsEveryMs: SLOW_READ_MS } : {}),
      onReady: (ready, error) => {
        if (ready.askedAt === 0) {
          this.#open += 1
          this.#opened += 1
          this.#loginUs.record(microseconds(ready.startedAt))
        }
        if (this.#isClosing) return ready.leave()
        if (isSlow) this.#askBulk(ready)
        else if (isCanceler) this.#sleep(ready, error)
        else this.#takeAnswer(ready)
      },
      onEnd: (gone, why) => {
        if (isSlow) this.#slowReaders -= 1
        if (isCanceler) this.#cancelers -= 1
        this.#remove(gone, why)
      },
    })
    this.#clients.add(client)
  }

  #askBulk(client: SoakClient): void {
    if (client.askedAt > 0) this.#bulkAnswers += 1
    client.askFor(BULK_SQL)
  }

  #sleep(client: SoakClient, error: string | null): void {
    if (error === '57014') this.#canceled += 1
    client.askFor(SLEEP_SQL)
    const { key } = client
    if (key === null) return
    setTimeout(() => {
      if (this.#clients.has(client)) this.#cancel(key)
    }, CANCEL_AFTER_MS)
  }

  #cancel(key: Buffer): void {
    const socket = connect({ host: '127.0.0.1', port: this.#order.target.port })
    socket.on('error', () => {})
    socket.resume()
    socket.end(cancelRequest(key))
  }

  #takeAnswer(client: SoakClient): void {
    this.#ready.add(client)
    if (client.askedAt === 0) return
    this.#answers += 1
    this.#answerUs.record(microseconds(client.askedAt))
  }

  #askOne(): void {
    const [client] = this.#ready
    if (client === undefined) {
      this.#skipped += 1
      return
    }
    this.#ready.delete(client)
    client.ask(QUICK)
  }

  #remove(client: SoakClient, why: string): void {
    this.#clients.delete(client)
    if (client.hasLoggedIn) this.#open -= 1
    this.#ready.delete(client)
    if (why !== 'left') this.#ended.set(why, (this.#ended.get(why) ?? 0) + 1)
    if (this.#isClosing && this.#clients.size === 0) this.#onGone?.()
  }
}

/** For a histogram, which takes whole numbers from 1 on. */
export function microseconds(since: number): number {
  return Math.max(1, Math.round((performance.now() - since) * 1000))
}

/** Of a histogram in microseconds. Zeros when nothing was recorded. */
export function percentiles(histogram: ReturnType<typeof createHistogram>): Percentiles {
  if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 }
  return { p50: histogram.percentile(50) / 1000, p99: histogram.percentile(99) / 1000, max: histogram.max / 1000 }
}
