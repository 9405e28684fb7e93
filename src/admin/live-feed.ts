/**
 * The stream of `GET /api/events`, from which the live page lives: server-sent events. Part of the admin server. It looks
 * at the proxy a few times a second, keeps the last minutes, and tells every listener what is new; nothing waits for a
 * listener, and one that does not keep up is let go by the stream itself.
 *
 * Events, each with JSON: `status` (as /api/status, with the time as `at`) at once and when anything but an age in it is
 * new, `history` at once, `failovers` at once and when the journal has news, `second` once a second, the heartbeat.
 */
import type { FailoverList, FailoverQuery } from '../observability/failover-list.ts'
import { type Glance, SessionHistory } from '../observability/session-history.ts'
import type { Status } from '../observability/status.ts'
import type { Clock } from '../ports.ts'
import type { Answer, AnswerStream } from './answer.ts'

/** At most so many events of a kind come in a second: 4. */
export const LOOK_INTERVAL_MS = 250
/** Ages in a status that is otherwise no news are brought up to date so often. */
export const REFRESH_INTERVAL_MS = 5_000
/** How long a browser waits before it connects again. */
const RETRY_MS = 1_000
/** Of the journal: what fits on a page. */
const FAILOVERS_SHOWN = 12

/** Changes in these alone are no news: they never stand still. */
const AGES: ReadonlySet<string> = new Set([
  'lastSeenMs',
  'forMs',
  'count',
  'graceLeftMs',
  'uptimeSeconds',
  'outlook',
  'lsn',
])

export interface LiveFeedOptions {
  readonly clock: Clock
  /** Cheap: it is asked for several times a second, also when nobody listens. */
  readonly glance: () => Glance
  /** Asked for only while somebody listens. */
  readonly status: () => Status
  readonly failovers: (query: FailoverQuery) => FailoverList
  /** One of the questions above has failed, which is a defect of ours. Every listener was let go. */
  readonly onDefect: (error: unknown) => void
}

export class LiveFeed {
  readonly #options: LiveFeedOptions
  readonly #history = new SessionHistory()
  /** Each with what ends its stream. */
  readonly #listeners = new Map<AnswerStream, () => void>()
  #cancelLook: () => void = () => undefined
  #told = { news: '', at: 0 }
  #newestTold: FailoverList | null = null

  constructor(options: LiveFeedOptions) {
    this.#options = options
  }

  /** Begins to look. Ends with `close`. */
  open(): void {
    this.#look()
  }

  close(): void {
    this.#cancelLook()
  }

  /** The answer to one listener. */
  answer(): Answer {
    return {
      kind: 'stream',
      contentType: 'text/event-stream; charset=utf-8',
      // nginx would collect events before it hands them on.
      headers: { 'X-Accel-Buffering': 'no' },
      run: (stream) => this.#serve(stream),
    }
  }

  async #serve(stream: AnswerStream): Promise<void> {
    const { clock, status, failovers } = this.#options
    stream.write(`retry: ${RETRY_MS}\n\n`)
    stream.write(format('status', { at: clock.wallTime().toISOString(), ...status() }))
    stream.write(format('history', this.#history.read(clock.wallTime())))
    stream.write(format('failovers', failovers({ limit: FAILOVERS_SHOWN })))
    await new Promise<void>((resolve) => {
      this.#listeners.set(stream, resolve)
      if (stream.closed.aborted) resolve()
      else stream.closed.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#listeners.delete(stream)
  }

  #look(): void {
    const { clock, onDefect } = this.#options
    try {
      this.#tellNews()
    } catch (error) {
      // Sessions of others must not end because somebody looks on.
      for (const end of this.#listeners.values()) end()
      this.#listeners.clear()
      onDefect(error)
    }
    this.#cancelLook = clock.schedule(LOOK_INTERVAL_MS, () => this.#look())
  }

  #tellNews(): void {
    const { clock, glance } = this.#options
    const complete = this.#history.look(glance(), clock.wallTime())
    if (this.#listeners.size === 0) return
    this.#tellStatus()
    this.#tellFailovers()
    if (complete !== null) this.#tell('second', complete)
  }

  #tellStatus(): void {
    const { clock, status } = this.#options
    const current = status()
    const news = JSON.stringify(current, (key, value: unknown) => (AGES.has(key) ? undefined : value))
    const now = clock.now()
    if (news === this.#told.news && now - this.#told.at < REFRESH_INTERVAL_MS) return
    this.#told = { news, at: now }
    this.#tell('status', { at: clock.wallTime().toISOString(), ...current })
  }

  #tellFailovers(): void {
    const list = this.#options.failovers({ limit: FAILOVERS_SHOWN })
    // A record that changes is a new one.
    if (this.#newestTold?.total === list.total && this.#newestTold.failovers[0] === list.failovers[0]) return
    this.#newestTold = list
    this.#tell('failovers', list)
  }

  #tell(event: string, data: unknown): void {
    const text = format(event, data)
    for (const listener of this.#listeners.keys()) listener.write(text)
  }
}

/** JSON has no line end of its own, which would end the field. */
function format(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
