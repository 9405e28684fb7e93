/**
 * Turns the many events of the application into the few lines that a viewer wants: sessions that ended, together; writes
 * that go on after a pause, and where; every connection that failed. Pure: time comes in.
 */
import { type AppEvent, describeCodes } from './app-event.ts'
import { seconds } from './result-table.ts'

/** A line for the timeline, and when it happened. */
export interface AppSentence {
  readonly at: number
  readonly text: string
}

/** Losses of one blow come within this time of each other. */
const GROUP_MS = 150

/** A pause in the writes that is worth a line. */
const NOTABLE_PAUSE_MS = 300

export class AppNarrator {
  #lostSince = 0
  #lostLast = 0
  #lost: Record<string, number> = {}
  #lastWriteAt: number | null = null

  /** Takes events in the order in which they happened. */
  take(event: AppEvent): readonly AppSentence[] {
    switch (event.kind) {
      case 'connected':
        return []
      case 'connect-failed': {
        const how = event.wasChallenged ? 'a login was cut short' : 'a new connection failed'
        return [{ at: event.at, text: `${how}: ${describeCodes({ [event.code]: 1 })}` }]
      }
      case 'session-lost': {
        const told = this.flush(event.at)
        if (Object.keys(this.#lost).length === 0) this.#lostSince = event.at
        this.#lostLast = event.at
        this.#lost[event.code] = (this.#lost[event.code] ?? 0) + 1
        return told
      }
      case 'acknowledged': {
        const pauseMs = this.#lastWriteAt === null ? 0 : event.at - this.#lastWriteAt
        this.#lastWriteAt = event.at
        if (pauseMs < NOTABLE_PAUSE_MS) return []
        return [{ at: event.at, text: `writes again, on ${event.node}, after ${seconds(pauseMs)} without` }]
      }
      default: {
        const unhandled: never = event
        return unhandled
      }
    }
  }

  /** Tells of the sessions that ended, once no more do. */
  flush(now: number): readonly AppSentence[] {
    const count = Object.values(this.#lost).reduce((total, each) => total + each, 0)
    if (count === 0 || now - this.#lostLast < GROUP_MS) return []
    const text = `${count} running ${count === 1 ? 'session' : 'sessions'} ended: ${describeCodes(this.#lost)}`
    this.#lost = {}
    return [{ at: this.#lostSince, text }]
  }
}
