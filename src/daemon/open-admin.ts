/** Opens the admin address and has the log tell of it: composition layer. What it answers is the caller's. */
import type { Logger } from 'pino'
import { AdminServer, type AdminServerOptions } from '../admin/admin-server.ts'
import { formatListenerAddress } from '../config/address.ts'
import type { Metrics } from '../observability/metrics.ts'
import { eventLabel } from '../observability/repmgr-events.ts'
import { OrderAudit } from './order-audit.ts'
import { listenHint, StartError } from './start-error.ts'

export interface OpenAdmin {
  readonly server: AdminServer
  readonly close: () => Promise<void>
}

export interface OpenAdminOptions
  extends Omit<AdminServerOptions, 'onOrder' | 'onNotified' | 'onRefused' | 'onDefect'> {
  readonly logger: Logger
  readonly metrics: Metrics
}

/** Rejects with a StartError when the address cannot be had. It is the caller's to close. */
export async function openAdmin({ logger, metrics, ...options }: OpenAdminOptions): Promise<OpenAdmin> {
  const audit = new OrderAudit({ logger, clock: options.clock })
  const server = new AdminServer({
    ...options,
    onOrder: (record) => {
      metrics.takeOrder(record.result.ok ? 'done' : 'failed')
      audit.takeOrder(record)
    },
    onNotified: (record) => {
      metrics.takeNotification(eventLabel(record.notification.event))
      audit.takeNotification(record)
    },
    onRefused: (refusal) => {
      metrics.takeOrder('refused')
      audit.takeRefusal(refusal)
    },
    onDefect: (error, request) => logger.error({ request, err: error }, 'defect: an admin request failed'),
  })
  try {
    await server.open()
  } catch (error) {
    const address = formatListenerAddress(options.address)
    throw new StartError(
      `cannot open the admin address ${address}: ${(error as Error).message}`,
      listenHint(error),
      error,
    )
  }
  logger.info({ admin: server.address, orders: options.token === null ? 'off' : 'on' }, 'admin address open')
  return {
    server,
    close: async () => {
      await server.close()
      audit.close()
    },
  }
}
