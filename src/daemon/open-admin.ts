/** Opens the admin address and has the log tell of it: composition layer. What it answers is the caller's. */
import type { Logger } from 'pino'
import { AdminServer, type AdminServerOptions } from '../observability/admin-server.ts'
import { listenHint, StartError } from './start-error.ts'

/** Rejects with a StartError when the address cannot be had. The server is the caller's to close. */
export async function openAdmin({
  logger,
  ...options
}: Omit<AdminServerOptions, 'onOrder' | 'onDefect'> & { readonly logger: Logger }): Promise<AdminServer> {
  const server = new AdminServer({
    ...options,
    onOrder: ({ result, ...order }) =>
      logger.warn({ ...order, ok: result.ok, result: result.ok ? result.message : result.problem }, 'order'),
    onDefect: (error, request) => logger.error({ request, err: error }, 'defect: an admin request failed'),
  })
  try {
    await server.open()
  } catch (error) {
    const { host, port } = options.address
    throw new StartError(
      `cannot open the admin address ${host}:${port}: ${(error as Error).message}`,
      listenHint(error),
      error,
    )
  }
  logger.info({ admin: server.address, orders: options.token === null ? 'off' : 'on' }, 'admin address open')
  return server
}
