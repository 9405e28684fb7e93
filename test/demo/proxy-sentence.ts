/**
 * What a line of the proxy's log says to the demo's viewers: its decisions in its own words. Pure.
 */
import type { LogRecord } from '../support/proxy-process.ts'

/** A line for the timeline. `isAside`: of less weight. */
export interface ProxySentence {
  readonly text: string
  readonly isAside: boolean
}

/** `null` for records that are no part of the story. */
export function proxySentence(record: LogRecord): ProxySentence | null {
  const field = (name: string) => String(record[name] ?? '')
  switch (record.msg) {
    case 'decision': {
      const ended = Number(record['sessionsEnded'] ?? 0)
      return {
        text: `${field('state')}: ${field('reason')}${ended === 0 ? '' : `; ends ${sessions(ended)}`}`,
        isAside: false,
      }
    }
    case 'sessions ended':
      return { text: `ends ${sessions(Number(record['sessionsEnded'] ?? 0))}: ${field('reason')}`, isAside: false }
    case 'primary accepted': {
      const epoch = (record['epoch'] ?? {}) as { readonly node?: unknown; readonly timelineId?: unknown }
      return { text: `primary accepted: ${epoch.node}, timeline ${epoch.timelineId}; written to disk`, isAside: false }
    }
    case 'first session routed to the new primary':
      return {
        text: `first session routed to ${field('node')}, ${field('afterDecisionMs')} ms after the decision`,
        isAside: false,
      }
    case 'all held sessions released':
      return { text: `releases ${sessions(Number(record['sessions'] ?? 0))} that it held`, isAside: false }
    case 'warning':
      return { text: `warns: ${field('warning')}`, isAside: true }
    default:
      return record.level === 'error' || record.level === 'fatal' ? { text: String(record.msg), isAside: false } : null
  }
}

/** When it was logged, by `performance.now()` of this process; `null` when the record has no time. */
export function loggedAt(record: LogRecord, timeOrigin: number): number | null {
  const wallTime = Date.parse(String(record['time']))
  return Number.isNaN(wallTime) ? null : wallTime - timeOrigin
}

function sessions(count: number): string {
  return `${count} ${count === 1 ? 'session' : 'sessions'}`
}
