/**
 * Who tells what on the demo's screen: the application and the proxy through their narrators, the scenario directly.
 * Effect layer of the demo; it looks at the proxy's log on a timer, and keeps the ledger of what the application went
 * through.
 */
import type { ProxyProcess } from '../support/proxy-process.ts'
import type { AppEvent } from './app-event.ts'
import { AppNarrator } from './app-narrator.ts'
import { Ledger } from './ledger.ts'
import { ProxyNarrator } from './proxy-narrator.ts'
import { Screen, type Source } from './screen.ts'
import type { FirstRouted } from './tally.ts'
import { renderTicker } from './ticker.ts'

const LOOK_MS = 50

export class Story {
  readonly ledger = new Ledger()
  readonly screen: Screen
  readonly #app = new AppNarrator()
  readonly #proxy = new ProxyNarrator(performance.timeOrigin)
  readonly #timer: NodeJS.Timeout
  #proxyProcess: ProxyProcess | null = null
  #readCount = 0
  #connectingCount = () => 0

  /** Begins; time on the screen counts from `startedAt`. */
  constructor(stream: NodeJS.WriteStream, startedAt: number) {
    this.screen = new Screen(stream, startedAt, (columns) =>
      renderTicker({
        writeTimes: this.ledger.writeTimes,
        now: performance.now(),
        connectingCount: this.#connectingCount(),
        proxyState: this.#proxy.state,
        columns,
      }),
    )
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  get firstRouted(): readonly FirstRouted[] {
    return this.#proxy.firstRouted
  }

  tell(source: Source, text: string, at = performance.now()): void {
    this.screen.add({ at, source, text })
  }

  /** From now on the proxy's log is told, from its first line. */
  follow(proxy: ProxyProcess): void {
    this.#proxyProcess = proxy
  }

  /** From now on the line with the rate of writes is shown. */
  showRate(connectingCount: () => number): void {
    this.#connectingCount = connectingCount
    this.screen.isTickerOn = true
  }

  /** Something happened to the application. */
  record(event: AppEvent): void {
    this.ledger.record(event)
    for (const { text, at } of this.#app.take(event)) this.tell('app', text, at)
  }

  /** Tells what was not told yet, and ends. May be called again. */
  end(): void {
    clearInterval(this.#timer)
    this.#look()
    for (const { text, at } of this.#app.flush(Number.POSITIVE_INFINITY)) this.tell('app', text, at)
    this.screen.close()
  }

  #look(): void {
    for (const record of this.#proxyProcess?.log.slice(this.#readCount) ?? []) {
      this.#readCount += 1
      const sentence = this.#proxy.take(record)
      if (sentence !== null) this.screen.add({ source: 'proxy', ...sentence })
    }
    for (const { text, at } of this.#app.flush(performance.now())) this.tell('app', text, at)
  }
}
