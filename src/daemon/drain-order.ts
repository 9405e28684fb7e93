/**
 * The operator's order to drain: the listeners close, those who wait for a node are told so, running sessions go on, and
 * so do probes and fencing, until the order is taken back. Composition layer. Unlike a stop it has no end of its own; a
 * reload keeps it, a restart forgets it. Why the listeners close: docs/adr/0008-drain.md.
 */
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { OrderResult } from '../probe/health-loop.ts'
import type { SessionHost } from '../workers/session-host.ts'
import type { ListenerSet } from './listener-set.ts'
import { StartError } from './start-error.ts'

export interface DrainOrderOptions {
  readonly listeners: ListenerSet
  readonly sessions: Pick<SessionHost, 'endWaiting' | 'size'>
  readonly config: () => Config
  /** True when the proxy stops: that is not taken back. */
  readonly isStopping: () => boolean
  readonly logger: Logger
}

export class DrainOrder {
  readonly #options: DrainOrderOptions
  #isOn = false

  constructor(options: DrainOrderOptions) {
    this.#options = options
  }

  get isOn(): boolean {
    return this.#isOn
  }

  async take(isOn: boolean): Promise<OrderResult> {
    if (this.#options.isStopping()) return { ok: false, problem: 'the proxy is stopping' }
    if (isOn) return this.#begin()
    return this.#isOn ? await this.#end() : { ok: false, problem: 'the proxy is not draining' }
  }

  #begin(): OrderResult {
    const { listeners, sessions, logger } = this.#options
    if (!this.#isOn) {
      this.#isOn = true
      listeners.pause()
      sessions.endWaiting()
      logger.warn({ sessions: sessions.size }, 'draining by order: no new sessions until it is taken back')
    }
    return { ok: true, message: 'draining: no new sessions are taken, running ones go on' }
  }

  async #end(): Promise<OrderResult> {
    const { listeners, config, logger } = this.#options
    try {
      await listeners.resume(config().listeners)
    } catch (error) {
      if (!(error instanceof StartError)) throw error
      return { ok: false, problem: `it goes on draining, as it ${error.message}` }
    }
    this.#isOn = false
    logger.warn('not draining any more: new sessions are taken')
    return { ok: true, message: 'new sessions are taken again' }
  }
}
