/**
 * Probers for servers under test, and what is asked of them again and again. Test support.
 */
import type { MonitorAccess } from '../../src/probe/monitor-access.ts'
import { createPgProber, type MonitorSessionEvent, type PgProber } from '../../src/probe/pg-prober.ts'
import type { NodeAnswer, Observation } from '../../src/topology/observation.ts'
import { realClock } from './real-clock.ts'

export interface TestProber extends PgProber {
  /** One probe over the session there is. */
  readonly ask: () => Promise<Observation>
  /** One probe over a fresh connection. */
  readonly askFresh: () => Promise<Observation>
  /** One probe whose answer is taken for granted; throws with the failure otherwise. */
  readonly answer: () => Promise<NodeAnswer>
  readonly events: readonly MonitorSessionEvent[]
}

/** Makes a prober of `server` with the harness's monitoring role, plus what `access` says. The caller closes it. */
export function probeServer(
  server: { readonly name: string; readonly host: string; readonly port: number },
  access: Partial<MonitorAccess> = {},
): TestProber {
  const events: MonitorSessionEvent[] = []
  const prober = createPgProber({
    node: { name: server.name, address: { host: server.host, port: server.port } },
    monitor: {
      user: 'pgha',
      password: 'pgha-monitor',
      database: 'postgres',
      sslmode: 'disable',
      // Longer than any test's server needs, so that only what is meant to time out does.
      timeoutMs: 5_000,
      ...access,
    },
    clock: realClock,
    onSessionEvent: (event) => events.push(event),
  })
  const ask = () => prober.probe({ fresh: false })
  return {
    ...prober,
    events,
    ask,
    askFresh: () => prober.probe({ fresh: true }),
    answer: async () => {
      const observation = await ask()
      if (observation.kind === 'answered') return observation.answer
      throw new Error(`${server.name}: ${observation.failure}: ${observation.detail}`)
    },
  }
}
