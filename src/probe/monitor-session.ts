/**
 * One monitoring session: connects by libpq's rules, learns what the role may read, asks, ends. Effect layer, on top of
 * `pg`. It keeps no clock for its questions: whoever asks owns the time limit and calls `destroy` when it is over.
 *
 *   new ──open()──▶ open ──ask()──▶ open ──end()──▶ ended
 *    └──────────────┴─ any error of the connection, destroy() ─▶ lost: every later call fails at once
 */
import type { LookupFunction } from 'node:net'
import type pg from 'pg'
import type { Clock } from '../ports.ts'
import type { NodeAddress, NodeAnswer, RepmgrEvidence } from '../topology/observation.ts'
import { explainMissingGrants, type ProbeCapabilities, parseCapabilities } from './capabilities.ts'
import { asServerError, classifyFailure, ProbeError, type ProbeFailure } from './classify-failure.ts'
import type { MonitorAccess, ProbeStage } from './monitor-access.ts'
import { MonitorClient } from './monitor-client.ts'
import { MonitorStream } from './monitor-stream.ts'
import { loadTlsOptions, mayTryNextAttempt, planTlsAttempts, type TlsAttempt } from './monitor-tls.ts'
import { parseAnswer } from './parse-answer.ts'
import { askStatement, learnStatement, type RepmgrReading, repmgrReading } from './queries.ts'

/** How long a graceful end may take before the socket is destroyed: a frozen server never answers Terminate. */
const END_GRACE_MS = 250

/** What one session needs; `onLost` is called at most once, when an open session ends without our doing. */
export interface MonitorSessionOptions {
  readonly address: NodeAddress
  readonly access: MonitorAccess
  readonly lookup: LookupFunction
  readonly clock: Clock
  readonly onLost: (why: ProbeFailure) => void
}

/** A session of our own; not to be used by two at a time. Every method but `destroy` may reject with any error. */
export interface MonitorSession {
  /** Connects, authenticates and learns the capabilities. Once only. */
  readonly open: () => Promise<void>
  /** One round trip, and more only when the server refused a part of the question. Null capabilities: not open yet. */
  readonly ask: () => Promise<NodeAnswer>
  readonly capabilities: () => ProbeCapabilities | null
  readonly isEncrypted: () => boolean
  readonly stage: () => ProbeStage
  /** False before `open`, and from the moment the connection broke or was ended. */
  readonly isOpen: () => boolean
  /** Terminate, then close; destroyed when that takes long. Never rejects, idempotent. */
  readonly end: () => Promise<void>
  /** Closes the socket at once, whatever is under way; what still arrives is dropped. Idempotent. */
  readonly destroy: () => void
  /** Class and line of an error of this session, without its password. */
  readonly classify: (error: unknown) => ProbeFailure
}

/** Makes a session that is not connected yet, so that it can be destroyed while it connects. */
export function createMonitorSession(options: MonitorSessionOptions): MonitorSession {
  const { address, access, clock } = options
  let client: MonitorClient | null = null
  let stream: MonitorStream | null = null
  let stage: ProbeStage = 'resolve'
  let capabilities: ProbeCapabilities | null = null
  let state: 'new' | 'open' | 'closed' = 'new'
  let ending: Promise<void> | null = null
  let secret: string | null = null
  /** A server that is stopped at once says why in a notice, then hangs up. */
  let lastNotice: string | null = null
  /** What ended the connection. The question under way is told no more than that it has ended, a later one nothing. */
  let brokenBy: unknown = null

  const password = async (): Promise<string> => {
    const given = typeof access.password === 'function' ? await access.password() : access.password
    if (given === null || given === '') {
      throw new ProbeError('auth', 'the server asks for a password, and none is configured for the monitoring role')
    }
    secret = given
    return given
  }

  const lose = (error: unknown) => {
    const wasOpen = state === 'open'
    state = 'closed'
    stream?.destroy()
    if (wasOpen) options.onLost(classifyFailure(withNotice(error), secret))
  }

  const withNotice = (error: unknown): unknown => {
    const failure = classifyFailure(error)
    if (lastNotice === null || failure.failure !== 'reset' || asServerError(error) !== null) return error
    return new ProbeError('reset', `${lastNotice} (then the connection ended)`, { cause: error })
  }

  const connectBy = async (attempt: TlsAttempt): Promise<void> => {
    const dialled = new MonitorStream({
      address,
      attempt,
      lookup: options.lookup,
      timeoutMs: access.timeoutMs,
      tlsOptions: () => loadTlsOptions(access, address.host),
      onStage: (next) => {
        if (stream === dialled) stage = next
      },
    })
    stream = dialled
    const connecting = new MonitorClient(
      {
        user: access.user,
        database: access.database,
        host: address.host,
        port: address.port,
        password,
        // All of these would otherwise come from PGSSLMODE, PGSSLNEGOTIATION and their like.
        ssl: false,
        sslnegotiation: 'postgres',
        client_encoding: 'UTF8',
        stream: () => dialled,
        types: { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig,
      },
      access,
      'pgha-proxy',
    )
    client = connecting
    // Before `open` is done its own promises tell; after a failed attempt there may be another.
    connecting.on('error', (error) => {
      if (client !== connecting) return
      brokenBy ??= error
      if (state === 'open') lose(error)
    })
    connecting.on('end', () => {
      if (client === connecting && state === 'open')
        lose(new ProbeError('reset', 'the server closed the connection without a word'))
    })
    connecting.on('notice', (notice) => {
      // WARNING 57P01 and 57P02 are the last words of an immediate stop and of a crash.
      const { code, message } = notice as { code?: string; message?: string }
      if (code?.startsWith('57P') === true) lastNotice = `${code}: ${message}`
    })
    try {
      await connecting.connect()
    } catch (error) {
      dialled.destroy()
      throw error
    }
  }

  const connect = async (): Promise<void> => {
    const attempts = planTlsAttempts(access.sslmode, address.host)
    for (const [index, attempt] of attempts.entries()) {
      try {
        return await connectBy(attempt)
      } catch (error) {
        const isLast = index === attempts.length - 1
        if (isLast || state === 'closed' || !mayTryNextAttempt(error, stage)) throw error
      }
    }
  }

  const query = async (text: string): Promise<string> => {
    if (client === null || state === 'closed') throw new ProbeError('reset', 'the monitoring session is closed')
    stage = 'query'
    let result: pg.QueryArrayResult | pg.QueryArrayResult[]
    try {
      result = await client.query({ text, rowMode: 'array' })
    } catch (error) {
      // The server's own last words say more than how its connection ended after them.
      throw withNotice(asServerError(error) === null ? (brokenBy ?? error) : error)
    }
    // Several statements give several results; the answer is always the last one's.
    const last = Array.isArray(result) ? result.at(-1) : result
    const cell: unknown = last?.rows[0]?.[0]
    if (typeof cell !== 'string') throw new ProbeError('protocol', 'the server answered the query with no row')
    return cell
  }

  const learn = async (): Promise<ProbeCapabilities> => {
    const limits = { statementTimeoutMs: access.timeoutMs, lockTimeoutMs: access.timeoutMs / 4 }
    const learned = parseCapabilities(await query(learnStatement(limits)))
    capabilities = learned
    return learned
  }

  const askFor = async (reading: RepmgrReading, unread: RepmgrEvidence | null): Promise<NodeAnswer> => {
    const answer = parseAnswer(await query(askStatement(reading)), unread)
    if (answer === null) throw new ProbeError('protocol', 'the server answered the probe with something else')
    return answer
  }

  const askWith = (known: ProbeCapabilities): Promise<NodeAnswer> => {
    if (known.deniedFunctions.length > 0) {
      const missing = explainMissingGrants(known, { discovery: false })
      throw new ProbeError('permission', `missing on this server: ${missing.join('; ')}`)
    }
    const reading = repmgrReading(known)
    return askFor(reading, reading === null ? unreadEvidence(known) : null)
  }

  const askWhatCanBeRead = async (): Promise<NodeAnswer> => {
    const known = capabilities
    if (known === null) throw new ProbeError('reset', 'the monitoring session is not open')
    try {
      return await askWith(known)
    } catch (error) {
      if (!isRefusedStatement(error)) throw error
      // Somebody holds a lock on repmgr.nodes: what the server says of itself is had without it.
      if (asServerError(error)?.code === '55P03') return askFor(null, deniedBy(error, secret))
    }
    // A grant was revoked, the extension dropped or replaced, or a query fell to a recovery conflict.
    const learned = await learn()
    try {
      return await askWith(learned)
    } catch (error) {
      if (!isRefusedStatement(error) || repmgrReading(learned) === null) throw error
      // A broken repmgr must not hide the server, e.g. when its library is not installed on this node.
      return askFor(null, deniedBy(error, secret))
    }
  }

  return {
    open: async () => {
      await connect()
      await learn()
      if (stream === null || stream.destroyed) throw new ProbeError('reset', 'the connection ended after the log-in')
      state = 'open'
    },
    ask: async () => {
      try {
        return await askWhatCanBeRead()
      } catch (error) {
        // FATAL comes before the end of the connection, and an answer of another shape may not be the last one.
        if (!isRefusedStatement(error)) lose(error)
        throw error
      }
    },
    capabilities: () => capabilities,
    isEncrypted: () => stream?.isEncrypted ?? false,
    stage: () => stage,
    isOpen: () => state === 'open',
    end: () => {
      ending ??= endGracefully(clock, client, stream, state === 'open')
      state = 'closed'
      return ending
    },
    destroy: () => {
      state = 'closed'
      stream?.destroy()
    },
    classify: (error) => classifyFailure(error, secret),
  }
}

/** The server lives and answered ERROR, so the session can go on; FATAL codes mean that it cannot. */
function isRefusedStatement(error: unknown): boolean {
  if (error instanceof ProbeError) return error.failure === 'permission'
  const answered = asServerError(error)
  return answered !== null && !/^(57P|08|25P)/.test(answered.code)
}

function unreadEvidence({ repmgr }: ProbeCapabilities): RepmgrEvidence {
  if (repmgr.kind === 'denied') return { kind: 'denied', missing: repmgr.missing.join('; ') }
  return { kind: 'absent' }
}

function deniedBy(error: unknown, secret: string | null): RepmgrEvidence {
  return { kind: 'denied', missing: `repmgr.nodes cannot be read: ${classifyFailure(error, secret).detail}` }
}

function endGracefully(
  clock: Clock,
  client: MonitorClient | null,
  stream: MonitorStream | null,
  isOpen: boolean,
): Promise<void> {
  if (client === null || stream === null || stream.destroyed || !isOpen) {
    stream?.destroy()
    return Promise.resolve()
  }
  return new Promise((resolve) => {
    const cancel = clock.schedule(END_GRACE_MS, () => stream.destroy())
    stream.once('close', () => {
      cancel()
      resolve()
    })
    client.end().catch(() => stream.destroy())
  })
}
