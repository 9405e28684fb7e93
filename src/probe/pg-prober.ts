/**
 * The Prober of a real server: one long-lived monitoring session, asked again and again, renewed now and then. Effect
 * layer. Each probe has one time limit for all it does; a probe that ran out of it leaves nothing behind that could
 * still speak. What an observation means is decided elsewhere.
 *
 * A probe, by what it starts with:
 *   no session ............. connect, ask
 *   a session .............. ask; when the connection turns out to be broken, connect and ask once more
 *   fresh, or session old .. connect a second one and ask it. It answered: it replaces the old one. 53300: the old one
 *                            is asked and kept. Anything else: that is the observation, and the old one is ended too,
 *                            for an open session would keep a smart stop from ever ending.
 */
import type { LookupFunction } from 'node:net'
import { createSharedLookup } from '../net/shared-lookup.ts'
import type { Clock, NodeIdentity, Prober } from '../ports.ts'
import type { NodeAnswer, Observation } from '../topology/observation.ts'
import type { ProbeCapabilities } from './capabilities.ts'
import { classifyFailure, isNameGone, type ProbeFailure, timeoutFailure } from './classify-failure.ts'
import type { MonitorAccess } from './monitor-access.ts'
import { createMonitorSession, type MonitorSession } from './monitor-session.ts'

/** A smart shutdown tells open sessions nothing: only a new connection does, so there is one that often. */
export const SESSION_RENEW_MS = 15_000

/** The life of monitoring sessions, for the log; `lost` is also a hint to probe again at once. */
export type MonitorSessionEvent =
  | { readonly kind: 'opened'; readonly capabilities: ProbeCapabilities; readonly encrypted: boolean }
  | { readonly kind: 'lost'; readonly detail: string }

export interface PgProberOptions {
  readonly node: NodeIdentity
  readonly monitor: MonitorAccess
  readonly clock: Clock
  /** How names are resolved; default: a lookup of its own. Shared with others, look-ups of one name run once. */
  readonly lookup?: LookupFunction
  /** Age at which a session is replaced by a fresh one. Default SESSION_RENEW_MS. */
  readonly sessionRenewMs?: number
  /** Called from within probes and between them. Must not throw. */
  readonly onSessionEvent?: (event: MonitorSessionEvent) => void
}

/** A Prober that can also say what its role may read. */
export interface PgProber extends Prober {
  /** As learned by the newest session; `null` while none has ever been open. */
  readonly capabilities: () => ProbeCapabilities | null
}

/** One probe under way. `abandoned` is set once its time is over: from then on it may change nothing. */
interface Attempt {
  sentAt: number
  current: MonitorSession | null
  abandoned: boolean
}

/** Makes a prober that has not connected yet. The caller closes it. */
export function createPgProber(options: PgProberOptions): PgProber {
  const { node, monitor, clock, sessionRenewMs = SESSION_RENEW_MS, onSessionEvent = () => {} } = options
  const lookup = options.lookup ?? createSharedLookup()
  /** Sessions on their way out, so that `close` can wait for them. */
  const leaving = new Set<Promise<void>>()
  let session: MonitorSession | null = null
  let renewAt = 0
  /** The server's side has ended a session of ours, and none has been open since. */
  let hungUp = false
  let capabilities: ProbeCapabilities | null = null
  let turn: Promise<unknown> = Promise.resolve()
  let interrupt: ((failure: ProbeFailure) => void) | null = null
  let closing: Promise<void> | null = null

  const newSession = (): MonitorSession => {
    const created = createMonitorSession({
      address: node.address,
      access: monitor,
      lookup,
      clock,
      onLost: ({ failure, detail }) => {
        hungUp ||= failure === 'reset'
        if (created === session) onSessionEvent({ kind: 'lost', detail })
      },
    })
    return created
  }

  const leave = (old: MonitorSession | null): void => {
    if (old === null) return
    const gone = old.end().finally(() => leaving.delete(gone))
    leaving.add(gone)
  }

  const failed = (attempt: Attempt, { failure, detail }: ProbeFailure): Observation => ({
    kind: 'failed',
    sentAt: attempt.sentAt,
    receivedAt: clock.now(),
    failure,
    detail,
  })

  /** A name that is gone says nothing; that it went together with its server's connections says a lot. */
  const classify = (asked: MonitorSession, error: unknown): ProbeFailure => {
    const { failure, detail } = asked.classify(error)
    if (failure !== 'dns' || !hungUp || !isNameGone(error)) return { failure, detail }
    return { failure: 'vanished', detail: `it ended the monitoring session, and now: ${detail}` }
  }

  const answered = (attempt: Attempt, answer: NodeAnswer): Observation => ({
    kind: 'answered',
    sentAt: attempt.sentAt,
    receivedAt: clock.now(),
    answer,
  })

  const askOver = (attempt: Attempt, asked: MonitorSession): Promise<NodeAnswer> => {
    attempt.current = asked
    attempt.sentAt = clock.now()
    return asked.ask()
  }

  /** Asks over a new connection. `old` is the session that it is to replace; `mayRetry` allows for one more. */
  const askFresh = async (attempt: Attempt, old: MonitorSession | null, mayRetry = true): Promise<Observation> => {
    const fresh = newSession()
    attempt.current = fresh
    // Connecting takes part of the time too; taken before it, this can only make the answer look older than it is.
    attempt.sentAt = clock.now()
    let answer: NodeAnswer
    try {
      await fresh.open()
      capabilities = fresh.capabilities() ?? capabilities
      answer = await fresh.ask()
    } catch (error) {
      const failure = classify(fresh, error)
      leave(fresh)
      if (attempt.abandoned) return failed(attempt, failure)
      // Neither says anything against the server, and the session that is there can still be asked.
      const isAboutTheServer = failure.failure !== 'too-many-connections' && failure.failure !== 'dns'
      if (!isAboutTheServer && old?.isOpen() === true) {
        // Not again at every probe: each attempt is a line in the log of a server that is already full.
        renewAt = clock.now() + sessionRenewMs
        return askOld(attempt, old, failure)
      }
      // It had logged in. Somebody may end our sessions one by one, or the whole server: the next connection tells.
      if (failure.failure === 'reset' && fresh.stage() === 'query' && mayRetry) return askFresh(attempt, old, false)
      session = null
      leave(old)
      return failed(attempt, failure)
    }
    if (attempt.abandoned) {
      fresh.destroy()
      return answered(attempt, answer)
    }
    session = fresh
    hungUp = false
    renewAt = clock.now() + sessionRenewMs
    leave(old)
    const learned = fresh.capabilities()
    if (learned !== null) onSessionEvent({ kind: 'opened', capabilities: learned, encrypted: fresh.isEncrypted() })
    return answered(attempt, answer)
  }

  /** No new connection is to be had for now, and the old session is the only one we have: what it says counts. */
  const askOld = async (attempt: Attempt, old: MonitorSession, hindrance: ProbeFailure): Promise<Observation> => {
    try {
      return answered(attempt, await askOver(attempt, old))
    } catch (error) {
      if (old.isOpen()) return failed(attempt, old.classify(error))
      if (session === old) session = null
      return failed(attempt, hindrance)
    }
  }

  const askEstablished = async (attempt: Attempt, established: MonitorSession): Promise<Observation> => {
    try {
      return answered(attempt, await askOver(attempt, established))
    } catch (error) {
      // A refused question leaves the session as good as it was.
      if (attempt.abandoned || established.isOpen()) return failed(attempt, established.classify(error))
      // The session broke. That may be one backend, one middlebox or the whole server: the next connection tells.
      session = null
      return askFresh(attempt, null)
    }
  }

  const perform = (attempt: Attempt, fresh: boolean): Promise<Observation> => {
    const established = session?.isOpen() === true ? session : null
    if (established === null) return askFresh(attempt, null)
    if (fresh || clock.now() >= renewAt) return askFresh(attempt, established)
    return askEstablished(attempt, established)
  }

  const probeOnce = (fresh: boolean): Promise<Observation> => {
    const attempt: Attempt = { sentAt: clock.now(), current: null, abandoned: false }
    return new Promise((resolve) => {
      const settle = (observation: Observation) => {
        cancel()
        interrupt = null
        resolve(observation)
      }
      interrupt = (failure) => {
        const observation = failed(attempt, failure)
        attempt.abandoned = true
        attempt.current?.destroy()
        session?.destroy()
        session = null
        settle(observation)
      }
      const cancel = clock.schedule(monitor.timeoutMs, () => {
        interrupt?.(timeoutFailure(attempt.current?.stage() ?? 'resolve', monitor.timeoutMs))
      })
      perform(attempt, fresh).then(
        (observation) => {
          if (!attempt.abandoned) settle(observation)
        },
        (error: unknown) => {
          if (!attempt.abandoned) settle(failed(attempt, classifyFailure(error)))
        },
      )
    })
  }

  const closeAll = async (): Promise<void> => {
    interrupt?.({ failure: 'reset', detail: 'the prober was closed' })
    leave(session)
    session = null
    await Promise.all(leaving)
  }

  return {
    probe: ({ fresh }) => {
      const next = turn.then((): Observation | Promise<Observation> => {
        if (closing === null) return probeOnce(fresh)
        const now = clock.now()
        return { kind: 'failed', sentAt: now, receivedAt: now, failure: 'reset', detail: 'the prober is closed' }
      })
      turn = next
      return next
    },
    capabilities: () => capabilities,
    close: () => {
      closing ??= closeAll()
      return closing
    },
  }
}
