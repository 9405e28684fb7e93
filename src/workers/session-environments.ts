/** What the sessions of each listener are given: made once for each listener and configuration. Composition layer. */
import { formatListenerAddress } from '../config/address.ts'
import type { ListenerConfig } from '../config/config.ts'
import { createProxyTrust } from '../net/client-address.ts'
import { SessionEndLog } from '../net/session-end-log.ts'
import type { SessionEnvironment, Termination } from '../net/session-environment.ts'
import { routeRequest } from './session-settings.ts'

/** What is the listener's own, or made here. */
type Own = 'endLog' | 'listener' | 'request' | 'tlsMode' | 'termination' | 'awaitsProxyHeader' | 'onPromotion'

export class SessionEnvironments {
  readonly #shared: Omit<SessionEnvironment, Own>
  readonly #endLog: SessionEndLog
  readonly #terminationOf: (config: ListenerConfig) => Termination | null
  readonly #known = new WeakMap<ListenerConfig, SessionEnvironment>()

  /** `terminationOf`: asked once for each configuration of a listener. */
  constructor(shared: Omit<SessionEnvironment, Own>, terminationOf: (config: ListenerConfig) => Termination | null) {
    this.#shared = shared
    this.#endLog = new SessionEndLog(shared)
    this.#terminationOf = terminationOf
  }

  /** The last session has ended: the log is told of those that had no line. */
  close(): void {
    this.#endLog.close()
  }

  of(config: ListenerConfig): SessionEnvironment {
    const known = this.#known.get(config)
    if (known !== undefined) return known
    const termination = this.#terminationOf(config)
    const environment: SessionEnvironment = {
      ...this.#shared,
      endLog: this.#endLog,
      listener: formatListenerAddress(config.address),
      request: routeRequest(config),
      tlsMode: config.tls.mode,
      ...(termination === null ? {} : { termination }),
      awaitsProxyHeader: createProxyTrust(config.proxyProtocol.from),
      onPromotion: config.onPromotion,
    }
    this.#known.set(config, environment)
    return environment
  }
}
