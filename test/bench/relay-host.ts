/**
 * The data plane of the proxy as it ships, from listener to relay, in a process of its own, with one server that is
 * primary by decree: so that the relay can be measured without PostgreSQL. `node relay-host.ts SERVER_PORT [FATE]`, where
 * FATE is what becomes of new sessions: `served`; `held`, as the decree is taken back and given again all the time; or
 * `refused` with 57P03, as there is never a primary. Tells its own port over IPC and ends with its parent.
 */
import process from 'node:process'
import { pino } from 'pino'
import { systemClock } from '../../src/daemon/system-clock.ts'
import { Admission } from '../../src/net/admission.ts'
import { Listener } from '../../src/net/listener.ts'
import { Session } from '../../src/net/session.ts'
import { SessionEndLog } from '../../src/net/session-end-log.ts'
import type { SessionEnvironment } from '../../src/net/session-environment.ts'
import { SessionRegistry } from '../../src/net/session-registry.ts'
import { createSharedLookup } from '../../src/net/shared-lookup.ts'
import { decide } from '../net/decision-builder.ts'

const SESSIONS_MAX = 20_000
/** So long there is a primary for `held`, and so long there is none. */
const TURN_MS = 5

const serverPort = Number(process.argv[2])
const fate = process.argv[3] ?? 'served'
const clock = systemClock
const registry = new SessionRegistry()
const logger = pino({ level: 'error' })
const admission = new Admission({
  clock,
  registry,
  settings: { holdSessionsMax: 1000, releaseRate: 100_000, decisionTtlMs: 3_600_000 },
})
const environment: SessionEnvironment = {
  listener: 'bench',
  request: { route: 'primary', fallback: 'none', balance: 'least-sessions', maxLagBytes: null },
  tlsMode: 'passthrough',
  onPromotion: 'keep',
  settings: () => ({
    sessionsMax: SESSIONS_MAX,
    sessionsPerAddressMax: 0,
    startupTimeoutMs: 10_000,
    connectTimeoutMs: 2000,
    holdTimeoutMs: fate === 'refused' ? 0 : 30_000,
    keepAliveServerMs: 30_000,
  }),
  addressOf: () => ({ host: '127.0.0.1', port: serverPort }),
  cancelTargets: () => ['node1'],
  onHint: () => undefined,
  onDialed: () => undefined,
  admission,
  registry,
  clock,
  lookup: createSharedLookup(),
  logger,
  endLog: new SessionEndLog({ logger, clock }),
}
const listener = new Listener({
  address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
  onConnection: (socket) => new Session(socket, environment),
  onError: (error) => logger.error(error),
})

const decree = (primary: string | null): void => {
  admission.takeDecision(decide({ primary, at: clock.now() }))
}
decree(fate === 'refused' ? null : 'node1')
if (fate === 'held') {
  let hasPrimary = true
  setInterval(() => {
    hasPrimary = !hasPrimary
    decree(hasPrimary ? 'node1' : null)
  }, TURN_MS)
}
process.once('disconnect', () => process.exit())
await listener.open()
process.send?.({ port: Number(listener.address.split(':').at(-1)) })
