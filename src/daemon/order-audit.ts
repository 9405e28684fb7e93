/**
 * The log of orders: one line for each that was carried out or could not be, and one for the first that was refused; what
 * is refused after that is counted, and told once a minute, so that a flood does not fill the log. Composition layer.
 */
import type { Logger } from 'pino'
import type { NotificationRecord } from '../admin/notification-desk.ts'
import type { OrderRecord } from '../admin/order-desk.ts'
import type { OrderRefusal } from '../admin/token-gate.ts'
import type { Clock } from '../ports.ts'

const SUMMARY_MS = 60_000
/** Names of clients in a summary. */
const CLIENTS_SHOWN = 5

export class OrderAudit {
  readonly #logger: Logger
  readonly #clock: Clock
  /** Refused since the last line, by client; `null`: the next one is told at once. */
  #refused: Map<string, number> | null = null
  #cancelSummary: (() => void) | null = null

  constructor({ logger, clock }: { readonly logger: Logger; readonly clock: Clock }) {
    this.#logger = logger
    this.#clock = clock
  }

  takeOrder({ order, reason, client, result }: OrderRecord): void {
    const { kind, ...details } = order
    this.#logger.warn(
      {
        order: kind,
        ...details,
        client,
        ...(reason === null ? {} : { reason }),
        ok: result.ok,
        result: result.ok ? result.message : result.problem,
      },
      'order',
    )
  }

  /** What repmgr told, in its own words. */
  takeNotification({ notification, client }: NotificationRecord): void {
    const told = Object.entries(notification).filter(([, value]) => value !== null)
    this.#logger[notification.success === false ? 'warn' : 'info'](
      { ...Object.fromEntries(told), client },
      'repmgr event',
    )
  }

  takeRefusal({ name, client, why }: OrderRefusal): void {
    if (this.#refused !== null) {
      // Addresses without end would be memory without end.
      const key = this.#refused.has(client) || this.#refused.size < CLIENTS_SHOWN ? client : 'others'
      this.#refused.set(key, (this.#refused.get(key) ?? 0) + 1)
      return
    }
    this.#logger.warn({ order: name, client, why }, 'order refused')
    this.#startCounting()
  }

  /** Says what was counted. */
  close(): void {
    this.#cancelSummary?.()
    this.#summarize()
  }

  #startCounting(): void {
    this.#refused = new Map()
    this.#cancelSummary = this.#clock.schedule(SUMMARY_MS, () => {
      if (this.#summarize()) this.#startCounting()
    })
  }

  #summarize(): boolean {
    const refused = this.#refused ?? new Map<string, number>()
    this.#refused = null
    this.#cancelSummary = null
    const count = [...refused.values()].reduce((sum, each) => sum + each, 0)
    if (count > 0) this.#logger.warn({ count, clients: Object.fromEntries(refused) }, 'more orders refused')
    return count > 0
  }
}
