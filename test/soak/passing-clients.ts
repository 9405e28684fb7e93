/**
 * New sessions at a steady rate: each logs in, asks one thing, leaves. Test support. Open loop: a slow proxy is not given
 * fewer of them, up to a bound on those under way.
 */
import { createHistogram } from 'node:perf_hooks'
import { type ClientTarget, SoakClient } from './soak-client.ts'
import { microseconds, type Percentiles, percentiles } from './standing-clients.ts'
import { QUICK_SQL, query } from './wire.ts'

export interface PassingOrder {
  /** In turn; several of one kind make it more frequent. */
  readonly targets: readonly ClientTarget[]
  readonly perSecond: number
  /** Ends by itself after so many; `null`: when it is closed. */
  readonly count: number | null
}

export interface PassingReport {
  readonly started: number
  readonly done: number
  readonly underWay: number
  /** Sessions that should have been started and were not, since too many were under way. */
  readonly skipped: number
  /** How sessions ended that did not get as far as to leave. */
  readonly ended: Readonly<Record<string, number>>
  /** From the connect to the end of the answer. */
  readonly sessionMs: Percentiles
}

const TICK_MS = 10
const UNDER_WAY_MAX = 1000
const QUICK = query(QUICK_SQL)

export class PassingClients {
  readonly #order: PassingOrder
  readonly #sessionUs = createHistogram()
  readonly #ended = new Map<string, number>()
  readonly #finished: Promise<void>
  readonly #tick: NodeJS.Timeout
  #resolve: () => void = () => {}
  #started = 0
  #done = 0
  #underWay = 0
  #skipped = 0
  #due = 0
  #lastTick = performance.now()
  #isClosing = false

  constructor(order: PassingOrder) {
    this.#order = order
    this.#finished = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#tick = setInterval(() => this.#work(), TICK_MS)
  }

  report(): PassingReport {
    return {
      started: this.#started,
      done: this.#done,
      underWay: this.#underWay,
      skipped: this.#skipped,
      ended: Object.fromEntries(this.#ended),
      sessionMs: percentiles(this.#sessionUs),
    }
  }

  /** Resolves when all `count` of them are over. */
  async finished(): Promise<PassingReport> {
    await this.#finished
    return this.report()
  }

  /** Starts no more, and waits for those under way. */
  async close(): Promise<PassingReport> {
    this.#isClosing = true
    this.#look()
    return await this.finished()
  }

  #work(): void {
    const now = performance.now()
    const { perSecond, count, targets } = this.#order
    this.#due += (perSecond * Math.min(1000, now - this.#lastTick)) / 1000
    this.#lastTick = now
    while (this.#due >= 1 && !this.#isOver(count)) {
      this.#due -= 1
      if (this.#underWay >= UNDER_WAY_MAX) {
        this.#skipped += 1
        continue
      }
      const target = targets[this.#started % targets.length]
      if (target !== undefined) this.#start(target)
    }
  }

  #isOver(count: number | null): boolean {
    return this.#isClosing || (count !== null && this.#started >= count)
  }

  #start(target: ClientTarget): void {
    this.#started += 1
    this.#underWay += 1
    new SoakClient({
      target,
      onReady: (client) => {
        if (client.askedAt === 0) return client.ask(QUICK)
        this.#sessionUs.record(microseconds(client.startedAt))
        client.leave()
      },
      onEnd: (_, why) => {
        this.#underWay -= 1
        if (why === 'left') this.#done += 1
        else this.#ended.set(why, (this.#ended.get(why) ?? 0) + 1)
        this.#look()
      },
    })
  }

  #look(): void {
    if (this.#underWay > 0 || !this.#isOver(this.#order.count)) return
    clearInterval(this.#tick)
    this.#resolve()
  }
}
