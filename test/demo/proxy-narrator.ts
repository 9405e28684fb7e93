/**
 * Tells the demo's viewers what the proxy logs: its decisions in its own words, in the order of the log. Pure: records
 * come in, sentences go out.
 */
import type { LogRecord } from '../support/proxy-process.ts'
import type { FirstRouted } from './tally.ts'

/** A line for the timeline. `isAside`: of less weight. */
export interface ProxySentence {
  readonly at: number
  readonly text: string
  readonly isAside: boolean
}

export class ProxyNarrator {
  readonly #timeOrigin: number
  readonly #firstRouted: FirstRouted[] = []
  #hasServed = false
  #state = 'starting'

  /** `timeOrigin`: the wall time, in milliseconds since 1970, at which the times of the sentences are 0. */
  constructor(timeOrigin: number) {
    this.#timeOrigin = timeOrigin
  }

  /** The last decision in short: `serving node2`, `no-primary`. */
  get state(): string {
    return this.#state
  }

  /** Each time the first session was routed to a new primary. */
  get firstRouted(): readonly FirstRouted[] {
    return this.#firstRouted
  }

  /** `null` for records that are no part of the story. */
  take(record: LogRecord): ProxySentence | null {
    const at = Date.parse(String(record['time'])) - this.#timeOrigin
    const text = this.#textOf(record, at)
    return text === null ? null : { at, text, isAside: record.msg === 'warning' }
  }

  #textOf(record: LogRecord, at: number): string | null {
    const { msg, level, state, primary, reason, node, epoch, warning, sessionsEnded, sessions, afterDecisionMs } =
      record as Fields
    switch (msg) {
      case 'decision':
        this.#state = typeof primary === 'string' ? `${state} ${primary}` : String(state)
        return `${state}: ${reason}${sessionsEnded ? `; ends ${describeSessions(sessionsEnded)}` : ''}`
      case 'sessions ended':
        return `ends ${describeSessions(sessionsEnded)}: ${reason}`
      case 'primary accepted':
        return `primary accepted: ${epoch?.node}, timeline ${epoch?.timelineId}; written to disk`
      case 'first session routed to the new primary': {
        this.#firstRouted.push({ node: String(node), at })
        // At the start of the demo it tells only when the application was started.
        const isNews = this.#hasServed
        this.#hasServed = true
        return isNews ? `first session routed to ${node}, ${afterDecisionMs} ms after the decision` : null
      }
      case 'all held sessions released':
        return `releases ${describeSessions(sessions)} that it held`
      case 'warning':
        return `warns: ${warning}`
      default:
        return level === 'error' || level === 'fatal' ? String(msg) : null
    }
  }
}

/** The fields that the story is made of; any record has only some of them. */
interface Fields extends LogRecord {
  readonly state?: unknown
  readonly primary?: unknown
  readonly reason?: unknown
  readonly node?: unknown
  readonly epoch?: { readonly node?: unknown; readonly timelineId?: unknown }
  readonly warning?: unknown
  readonly sessionsEnded?: unknown
  readonly sessions?: unknown
  readonly afterDecisionMs?: unknown
}

function describeSessions(count: unknown): string {
  return `${count} ${count === 1 ? 'session' : 'sessions'}`
}
