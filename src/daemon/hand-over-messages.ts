/**
 * What a process of the proxy and the one that takes over from it tell each other. Composition layer: words only. Both may
 * be of different versions: a message that is not known is passed over, and so are fields that are not known.
 */
import { z } from 'zod'
import { PERSISTENT_STATE_SCHEMA } from './state-file.ts'

const DRAINING_PROCESS_SCHEMA = z.object({
  pid: z.int(),
  version: z.string(),
  startedAt: z.string(),
  sessions: z.int().min(0),
})

/** A process that has handed over, and ends with its last session. `startedAt`: ISO 8601. */
export type DrainingProcess = Readonly<z.infer<typeof DRAINING_PROCESS_SCHEMA>>

/** From the process that was there before. */
export const TO_SUCCESSOR_SCHEMA = z.discriminatedUnion('kind', [
  /** This is on disk now. */
  z.object({ kind: z.literal('state'), state: PERSISTENT_STATE_SCHEMA }),
  /** Open the listeners, and say when that is done. */
  z.object({ kind: z.literal('take-over') }),
  /** I have closed mine, this is on disk, and I write no more. */
  z.object({ kind: z.literal('handed-over'), state: PERSISTENT_STATE_SCHEMA }),
  /** Who drains: the sender, and those that drain before it. */
  z.object({ kind: z.literal('draining'), processes: z.array(DRAINING_PROCESS_SCHEMA) }),
])
export type ToSuccessor = z.infer<typeof TO_SUCCESSOR_SCHEMA>

/** From the process that takes over. */
export const TO_PREDECESSOR_SCHEMA = z.discriminatedUnion('kind', [
  /** Said on standard error: why it does not start. */
  z.object({ kind: z.literal('words'), text: z.string() }),
  /** Every node was asked once; there is a primary. */
  z.object({ kind: z.literal('standing'), isSettled: z.boolean(), isServing: z.boolean() }),
  /** The listeners are open. Your sessions may go on for so long; `null`: for ever. */
  z.object({ kind: z.literal('taken-over'), graceMs: z.number().min(0).nullable() }),
  z.object({ kind: z.literal('ending'), exitCode: z.int() }),
  /** This is on disk now. */
  z.object({ kind: z.literal('state'), state: PERSISTENT_STATE_SCHEMA }),
  /** Stop as at the first stop signal, and as at the second. */
  z.object({ kind: z.literal('stop') }),
  z.object({ kind: z.literal('hurry') }),
])
export type ToPredecessor = z.infer<typeof TO_PREDECESSOR_SCHEMA>
