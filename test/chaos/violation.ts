/** A broken promise, as a rule of the checker found it. Pure. */
import type { CheckLimits } from './check-limits.ts'
import type { ClientSession, HistoryIndex } from './history-index.ts'
import type { FinalState } from './tables.ts'

/** Every rule of the checker, with its sentence. The promises P1 to P8 are those of the specification. */
export const RULES = {
  'read-only': 'P1: no writer is ever told that its server is read-only (25006), or in recovery',
  'routed-by-epoch': "P1: a session to write is only ever on the node of its proxy's epoch",
  'routed-by-evidence': 'P1: nobody writes where the proxy must have known a sanctioned successor',
  'timeline-falls': 'P1: after an answer from one timeline, a proxy lets nobody ask on an older one',
  'reader-on-stale': 'P1: no reader is on a primary below the epoch that its proxy has told',
  'ended-on-proof': 'P2: sessions on a node that is not the primary any more are ended within the bound',
  'refused-early': 'P3: new sessions are held for hold.timeout before they are refused',
  'held-with-primary': 'P3: nobody is held to the end while there is a primary',
  'connect-takes-long': 'P3: a connect is decided within hold.timeout',
  'ended-without-proof': 'P4: doubt ends no session, and no session ends without a cause',
  'refused-without-cause': 'P4: no new session is refused without a cause',
  'answer-mixed-up': 'P5: every answer is the one to its own question, from one server',
  'read-goes-back': 'P5: what a server has once shown it does not take back',
  'unknown-error': 'P7: every error is one that is documented',
  'epoch-falls': 'P8: the epoch falls by an order only, also over restarts',
  'write-lost':
    'P1: an acknowledged write is there, or was lost with a fork of a timeline that the proxy could not know',
  'write-twice': 'P5: no write is there twice',
  'write-refused-yet-there': 'P5: what was refused is not there',
  'row-of-nobody': 'P5: every row was written by a client',
  liveness: 'P3: after everything was put right every client is served again',
  history: 'the history itself is whole',
} as const

export type RuleName = keyof typeof RULES

export interface Violation {
  readonly rule: RuleName
  /** When it was seen. */
  readonly at: number
  /** What happened, in one sentence. */
  readonly text: string
  readonly session?: string
  readonly proxy?: string
}

/** What a rule looks at. */
export interface Checked {
  readonly index: HistoryIndex
  readonly final: FinalState | null
  readonly limits: CheckLimits
}

/** Pure; gives one violation for each thing that is wrong. */
export type RuleCheck = (checked: Checked) => readonly Violation[]

/** A violation that a session has met. */
export function about(rule: RuleName, { session, proxy }: ClientSession, at: number, text: string): Violation {
  return { rule, at, text, session, proxy }
}
