/** The prober of one node as the configuration wants it: who asks, with which password. Composition layer. */
import type { LookupFunction } from 'node:net'
import type { Logger } from 'pino'
import type { MonitorConfig } from '../config/config.ts'
import { resolveMonitorPassword } from '../config/monitor-password.ts'
import type { Clock, NodeIdentity, Prober } from '../ports.ts'
import { createPgProber } from '../probe/pg-prober.ts'

export interface MonitorProberOptions {
  readonly monitor: MonitorConfig
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly lookup: LookupFunction
  readonly logger: Logger
  /** The open session ended between two probes: the first sign of a shutdown. */
  readonly onSessionLost: () => void
}

export function createMonitorProber(node: NodeIdentity, options: MonitorProberOptions): Prober {
  const { monitor, environment, clock, lookup, logger } = options
  const { user, database, sslmode, sslrootcert, timeoutMs } = monitor

  const findPassword = async (): Promise<string | null> => {
    const found = await resolveMonitorPassword({ monitor, address: node.address, environment })
    if (found.kind === 'found') return found.password
    const problem = found.kind === 'failed' ? found.problem : found.warning
    if (problem !== null) logger.warn({ node: node.name, problem }, 'monitoring password')
    return null
  }

  return createPgProber({
    node,
    clock,
    lookup,
    monitor: { user, database, sslmode, sslrootcert, timeoutMs, password: findPassword },
    onSessionEvent: (event) => {
      if (event.kind === 'opened') {
        logger.debug({ node: node.name, encrypted: event.encrypted }, 'monitoring session opened')
      } else {
        logger.debug({ node: node.name, detail: event.detail }, 'monitoring session lost')
        options.onSessionLost()
      }
    },
  })
}
