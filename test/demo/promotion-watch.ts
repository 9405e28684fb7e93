/**
 * Asks a standby, on a connection of its own and past the proxy, until it is one no more. Effect layer of the demo: the
 * reference that the proxy is measured against.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { PostgresServer } from '../support/postgres-server.ts'
import { withClient } from '../support/sql.ts'

const INTERVAL_MS = 5

/** Longer than any promotion that the demo waits for. */
const TIMEOUT_MS = 35_000

/**
 * Resolves, once it is connected, to a promise of the moment (by `performance.now()`) at which `pg_is_in_recovery()`
 * turned false, exact to some 5 ms. That promise rejects when the server dies or takes longer than 35 s.
 */
export async function watchPromotion(standby: PostgresServer): Promise<{ readonly promotedAt: Promise<number> }> {
  const connected = Promise.withResolvers<void>()
  const promotedAt = withClient(standby, { timeoutMs: TIMEOUT_MS }, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
      const seenAt = performance.now()
      connected.resolve()
      if (rows[0]?.standby === false) return seenAt
      await delay(INTERVAL_MS)
    }
  })
  // Whoever awaits it is told; it may fail before anybody does.
  promotedAt.catch((error: unknown) => connected.reject(error))
  await connected.promise
  return { promotedAt }
}
