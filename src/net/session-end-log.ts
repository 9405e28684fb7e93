/**
 * The lines `session ended`: one for each session, as long as they are few. When thousands end together, by a failover or
 * by a flood, the first of each reason in a second are told and the rest is counted: `more sessions ended`. Effect layer.
 * With log level debug every one has its line.
 */
import type { Logger } from 'pino'
import type { Clock } from '../ports.ts'
import { CLOSE_REASON_LOG_LEVEL, type CloseReasonKind } from '../session/close-reason.ts'

/** Of one reason, in one second. */
export const END_LINES_MAX = 10
const SECOND_MS = 1_000

type Fields = Readonly<Record<string, unknown>>

interface Burst {
  lineCount: number
  /** Not told, by node; '' for those that had none. */
  readonly untold: Map<string, number>
  readonly cancel: () => void
}

export class SessionEndLog {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #bursts = new Map<CloseReasonKind, Burst>()

  constructor({ logger, clock }: { readonly logger: Logger; readonly clock: Clock }) {
    this.#logger = logger
    this.#clock = clock
  }

  /** `describe` is called only when there is a line to write, or something to count. */
  take(reason: CloseReasonKind, describe: () => Fields): void {
    const level = CLOSE_REASON_LOG_LEVEL[reason]
    if (!this.#logger.isLevelEnabled(level)) return
    const fields = describe()
    if (level === 'debug') return this.#logger.debug({ reason, ...fields }, 'session ended')
    const burst = this.#bursts.get(reason) ?? this.#begin(reason)
    burst.lineCount += 1
    if (burst.lineCount <= END_LINES_MAX) return this.#logger[level]({ reason, ...fields }, 'session ended')
    const node = typeof fields['node'] === 'string' ? fields['node'] : ''
    burst.untold.set(node, (burst.untold.get(node) ?? 0) + 1)
    this.#logger.debug({ reason, ...fields }, 'session ended')
  }

  /** Says what was counted. It may be used after that. */
  close(): void {
    for (const [reason, { cancel }] of this.#bursts) {
      cancel()
      this.#summarize(reason)
    }
  }

  #begin(reason: CloseReasonKind): Burst {
    const cancel = this.#clock.schedule(SECOND_MS, () => this.#summarize(reason))
    const burst: Burst = { lineCount: 0, untold: new Map(), cancel }
    this.#bursts.set(reason, burst)
    return burst
  }

  #summarize(reason: CloseReasonKind): void {
    const untold = this.#bursts.get(reason)?.untold ?? new Map<string, number>()
    this.#bursts.delete(reason)
    const count = [...untold.values()].reduce((sum, each) => sum + each, 0)
    if (count === 0) return
    const nodes = Object.fromEntries([...untold].filter(([node]) => node !== ''))
    this.#logger[CLOSE_REASON_LOG_LEVEL[reason]]({ reason, count, nodes }, 'more sessions ended')
  }
}
