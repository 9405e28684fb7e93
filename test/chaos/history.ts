/**
 * What a chaos run writes down: every fault, every sample of a node's own truth, every line of the proxies' logs, and all
 * that clients asked and were told, each with its time. The schemas are the contract between those who write and the
 * checker. Pure; files are history-file.ts. All times are milliseconds of CLOCK_MONOTONIC, one clock for all processes.
 */
import { z } from 'zod'

const at = z.number()
const pair = z.tuple([z.string(), z.string()]).readonly()
const hosts = z.array(z.string()).readonly().optional()

/** One node's own word, by a way that no fault cuts. All `null` with a `problem`: no answer within 1 s. */
const TRUTH = z.object({
  kind: z.literal('truth'),
  /** When the answer came. */
  at,
  /** When the question left. */
  askedAt: z.number(),
  node: z.string(),
  inRecovery: z.boolean().nullable(),
  /** `null` as well on a standby without a WAL receiver. */
  timelineId: z.int().nullable(),
  /** Its own row in `repmgr.nodes` says primary and active. */
  confirmed: z.boolean().nullable(),
  /** Of the postmaster: names one run of the server. */
  startedAt: z.string().nullable(),
  problem: z.string().nullable(),
})

/** What a fault does, as facts. A list that is absent is empty. */
const EFFECT = z.object({
  /** Packets from the first to the second are lost. */
  cut: z.array(pair).readonly().optional(),
  /** Some packets are lost, late or rejected between these two, either way. */
  impaired: z.array(pair).readonly().optional(),
  /** Every process of these hosts stands still; connections live. */
  frozen: hosts,
  /** The server, or the proxy, has no process. */
  down: hosts,
  /** On these proxies the names of nodes do not resolve. */
  nameless: hosts,
  /** The wall clock of these proxies was stepped. */
  stepped: hosts,
  /** The state directory of these proxies takes no more bytes. */
  diskFull: hosts,
  /** Sessions of these proxies may end, and new ones be refused, for the proxy's own reasons. */
  sessionsLost: hosts,
  /** These proxies have lost their state file. */
  forgets: hosts,
})

/** `begin` is written before the fault is put in place, `end` after it was taken back. */
const FAULT = z.object({
  kind: z.literal('fault'),
  at,
  /** Of both ends. */
  id: z.int(),
  fault: z.string(),
  phase: z.enum(['begin', 'end']),
  target: z.string(),
  detail: z.string(),
  effect: EFFECT,
})

/** What the operator does: promote, stop, start, follow, rejoin, reclone, register, proxy-accept. `target`: the host. */
const OPERATOR = z.object({
  kind: z.literal('operator'),
  at,
  action: z.string(),
  target: z.string(),
  phase: z.enum(['begin', 'end']),
  detail: z.string(),
})

/** A process of a proxy. */
const PROCESS = z.object({
  kind: z.literal('process'),
  at,
  proxy: z.string(),
  pid: z.int(),
  what: z.enum(['started', 'took-over', 'ended']),
  detail: z.string(),
})

/** A line of a proxy's log. `at` is when it was read, some time after it was written; its own time may be stepped. */
const LOG = z.object({ kind: z.literal('log'), at, proxy: z.string(), record: z.record(z.string(), z.unknown()) })

/**
 * `faults`: an episode begins. `healing`: all faults are over, repairs begin. `healed`: one primary, its standbys stream.
 * `calm`: the bound for liveness is over.
 */
const PHASE = z.object({
  kind: z.literal('phase'),
  at,
  episode: z.int(),
  phase: z.enum(['started', 'faults', 'healing', 'healed', 'calm', 'finished']),
  detail: z.string(),
})

/** `GAVE-UP`: the client's own limit of patience, which is no word of the proxy. */
export const GAVE_UP = 'GAVE-UP'

const ERROR = z.object({
  /** SQLSTATE, or the errno name of a broken socket, or `GAVE-UP`; `null` for the driver's own words. */
  code: z.string().nullable(),
  /** As in ErrorResponse; `null` when no server and no proxy said it. */
  severity: z.string().nullable(),
  message: z.string(),
  detail: z.string().nullable(),
})

/** A client begins to connect; one for each attempt. */
const CONNECT = z.object({
  kind: z.literal('connect'),
  at,
  client: z.string(),
  /** Names this attempt, and the session if it becomes one. */
  session: z.string(),
  proxy: z.string(),
  route: z.enum(['write', 'read']),
})

/** It is logged in: ReadyForQuery came. */
const OPENED = z.object({
  kind: z.literal('opened'),
  at,
  session: z.string(),
  /** ParameterStatus `in_hot_standby`. */
  inHotStandby: z.string().nullable(),
})

/** It was not logged in, and never will be. */
const REFUSED = z.object({ kind: z.literal('refused'), at, session: z.string(), error: ERROR })

/** A session that was open is over. `client`: it closed it, or gave up (then with an error). */
const CLOSED = z.object({
  kind: z.literal('closed'),
  at,
  session: z.string(),
  by: z.enum(['client', 'other']),
  error: ERROR.nullable(),
})

/**
 * The client sends something. `write`: the row (client, n, nonce). `read`: the highest n of `subject`. `twice`: a write,
 * and the same question before and after it in one snapshot.
 */
const ASKED = z.object({
  kind: z.literal('asked'),
  at,
  session: z.string(),
  /** Counts up in a session. */
  op: z.int(),
  what: z.enum(['write', 'read', 'twice']),
  /** `null` for a read. */
  n: z.int().nullable(),
  nonce: z.string(),
  /** Whose rows are looked at. */
  subject: z.string(),
})

const VIEW = z.object({
  /** Name of the node that has this address; the address when none has. */
  node: z.string(),
  pid: z.int(),
  inRecovery: z.boolean(),
  /** `null` in recovery. */
  timelineId: z.int().nullable(),
  startedAt: z.string(),
})

/** The server answered all of it; a write is acknowledged. */
const ANSWERED = z.object({
  kind: z.literal('answered'),
  at,
  session: z.string(),
  op: z.int(),
  /** The nonces of its statements as they came back: `echoesOf` of the nonce that was sent. */
  echoes: z.array(z.string()).readonly(),
  view: VIEW,
  /** On a primary the insert position before the commit, on a standby what it had replayed. */
  lsn: z.string().nullable(),
  /** The highest n of the subject, not counting what this very operation wrote; `null`: none. */
  seen: z.int().nullable(),
  /** What the second question of `twice` was answered: its own write is in it. */
  again: z.object({ view: VIEW, seen: z.int().nullable() }).nullable(),
})

/** It has certainly done nothing: the COMMIT was never sent, or was refused. */
const FAILED = z.object({ kind: z.literal('failed'), at, session: z.string(), op: z.int(), error: ERROR })

/** Whether it was done nobody knows: the answer to the COMMIT never came. */
const UNKNOWN = z.object({ kind: z.literal('unknown'), at, session: z.string(), op: z.int(), error: ERROR })

/** A line of a history. */
export const HISTORY_EVENT = z.discriminatedUnion('kind', [
  TRUTH,
  FAULT,
  OPERATOR,
  PROCESS,
  LOG,
  PHASE,
  CONNECT,
  OPENED,
  REFUSED,
  CLOSED,
  ASKED,
  ANSWERED,
  FAILED,
  UNKNOWN,
])

export type HistoryEvent = z.infer<typeof HISTORY_EVENT>
export type TruthEvent = z.infer<typeof TRUTH>
export type FaultEvent = z.infer<typeof FAULT>
export type FaultEffect = z.infer<typeof EFFECT>
export type OperatorEvent = z.infer<typeof OPERATOR>
export type ProcessEvent = z.infer<typeof PROCESS>
export type LogEvent = z.infer<typeof LOG>
export type PhaseEvent = z.infer<typeof PHASE>
export type ConnectEvent = z.infer<typeof CONNECT>
export type AskedEvent = z.infer<typeof ASKED>
export type AnsweredEvent = z.infer<typeof ANSWERED>
export type ClientError = z.infer<typeof ERROR>
export type ServerView = z.infer<typeof VIEW>
export type Route = ConnectEvent['route']

/** What the statements of an operation say, to be said by the server again: no answer may be that to another question. */
export function echoesOf(what: AskedEvent['what'], nonce: string): readonly string[] {
  return what === 'twice' ? [`${nonce}-before`, nonce, `${nonce}-after`] : [nonce]
}

/** What `readHistory` gives: all that could be read, in the order of its times, and what could not. */
export interface History {
  readonly events: readonly HistoryEvent[]
  /** One sentence for each line that is no event. The last line of a file may be torn, and is none. */
  readonly malformed: readonly string[]
}
