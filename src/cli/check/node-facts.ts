/**
 * What `check` asks a node beyond the probe: settings that matter on the day of a failover, and its clock. A connection
 * of its own, by the monitoring role and under the probe's rules (TLS, password, time limit), closed afterwards. Effect
 * layer.
 */
import type { LookupFunction } from 'node:net'
import { z } from 'zod'
import type { Clock } from '../../ports.ts'
import { classifyFailure } from '../../probe/classify-failure.ts'
import type { MonitorAccess, ProbeStage } from '../../probe/monitor-access.ts'
import { MonitorClient } from '../../probe/monitor-client.ts'
import { MonitorStream } from '../../probe/monitor-stream.ts'
import { loadTlsOptions, mayTryNextAttempt, planTlsAttempts, type TlsAttempt } from '../../probe/monitor-tls.ts'
import type { NodeAddress } from '../../topology/observation.ts'

/** Every role may read these. */
const FACTS_STATEMENT = `SELECT pg_catalog.json_build_object(
  'serverVersion', pg_catalog.current_setting('server_version'),
  'walLogHints', pg_catalog.current_setting('wal_log_hints') = 'on',
  'dataChecksums', pg_catalog.current_setting('data_checksums') = 'on',
  'maxConnections', pg_catalog.current_setting('max_connections')::int,
  'reservedConnections', pg_catalog.current_setting('superuser_reserved_connections')::int
    + coalesce(pg_catalog.current_setting('reserved_connections', true)::int, 0),
  'clockMs', 1000 * extract(epoch FROM pg_catalog.clock_timestamp())
)::text AS facts`

const FACTS_SCHEMA = z.object({
  serverVersion: z.string(),
  walLogHints: z.boolean(),
  dataChecksums: z.boolean(),
  maxConnections: z.int(),
  reservedConnections: z.int(),
  clockMs: z.number(),
})

export interface NodeFacts {
  /** `15.18`, without what the packager adds. */
  readonly serverVersion: string
  readonly walLogHints: boolean
  readonly dataChecksums: boolean
  readonly maxConnections: number
  /** Of these, kept for superusers and pg_use_reserved_connections. */
  readonly reservedConnections: number
  /** How far the server's clock is ahead of ours, at least: the round trip's doubt is taken off. Negative: behind. */
  readonly clockAheadMs: number
}

export type FactsResult =
  | { readonly ok: true; readonly facts: NodeFacts }
  /** One line, without secrets. */
  | { readonly ok: false; readonly problem: string }

export interface FactsRequest {
  readonly address: NodeAddress
  /** `password` already found. */
  readonly access: MonitorAccess & { readonly password: string | null }
  readonly lookup: LookupFunction
  readonly clock: Clock
}

/** Asks once. Never rejects; leaves no socket behind. */
export async function readNodeFacts(request: FactsRequest): Promise<FactsResult> {
  const { access, clock } = request
  let stream: MonitorStream | null = null
  let isLate = false
  const cancel = clock.schedule(access.timeoutMs, () => {
    isLate = true
    stream?.destroy()
  })
  try {
    const attempts = planTlsAttempts(access.sslmode, request.address.host)
    for (const [index, attempt] of attempts.entries()) {
      let stage: ProbeStage = 'resolve'
      const dialled = dial(request, attempt, (next) => {
        stage = next
      })
      stream = dialled
      try {
        return { ok: true, facts: await ask(request, dialled) }
      } catch (error) {
        if (isLate || index === attempts.length - 1 || !mayTryNextAttempt(error, stage)) throw error
      } finally {
        dialled.destroy()
      }
    }
    return { ok: false, problem: 'there was no way to connect' }
  } catch (error) {
    if (isLate) return { ok: false, problem: `no answer within ${access.timeoutMs} ms` }
    return { ok: false, problem: classifyFailure(error, access.password).detail }
  } finally {
    cancel()
  }
}

function dial(
  { address, access, lookup }: FactsRequest,
  attempt: TlsAttempt,
  onStage: (stage: ProbeStage) => void,
): MonitorStream {
  return new MonitorStream({
    address,
    attempt,
    lookup,
    timeoutMs: access.timeoutMs,
    tlsOptions: () => loadTlsOptions(access, address.host),
    onStage,
  })
}

async function ask({ address, access, clock }: FactsRequest, stream: MonitorStream): Promise<NodeFacts> {
  const client = new MonitorClient(
    {
      user: access.user,
      database: access.database,
      host: address.host,
      port: address.port,
      // A text, so that pg does not look into the environment of whoever runs the command.
      password: access.password ?? '',
      ssl: false,
      sslnegotiation: 'postgres',
      stream: () => stream,
    },
    access,
    'pgha-proxy check',
  )
  // Of a server that dies meanwhile; the rejected promises tell.
  client.on('error', () => {})
  await client.connect()
  const askedAt = clock.now()
  const askedAtWall = clock.wallTime().getTime()
  const result = await client.query<{ facts: string }>(FACTS_STATEMENT)
  const roundTripMs = clock.now() - askedAt
  const { clockMs, serverVersion, ...facts } = FACTS_SCHEMA.parse(JSON.parse(result.rows[0]?.facts ?? 'null'))
  await client.end()
  return {
    ...facts,
    serverVersion: serverVersion.split(' ', 1)[0] ?? serverVersion,
    clockAheadMs: clockDistance(clockMs - askedAtWall, roundTripMs),
  }
}

/** The server read its clock at some moment of the round trip: only what lies outside of it is a difference. */
function clockDistance(aheadMs: number, roundTripMs: number): number {
  if (aheadMs < 0) return Math.round(aheadMs)
  return Math.round(Math.max(0, aheadMs - roundTripMs))
}
