/**
 * The row of the probe's statement -> NodeAnswer. Pure. Anything that is not such a row is `null`, never an exception:
 * whoever listens on that port may be no PostgreSQL at all.
 */
import { z } from 'zod'
import { type Lsn, parseLsn } from '../topology/lsn.ts'
import type { NodeAnswer, RepmgrEvidence, WalReceiver } from '../topology/observation.ts'
import { parseRepmgrRows, ROWS_MAX } from './repmgr-nodes.ts'

const LsnText = z.string().transform((text, context): Lsn => {
  const lsn = parseLsn(text)
  if (lsn !== null) return lsn
  context.addIssue('not an LSN')
  return z.NEVER
})

/** What is shown to people: no text without end, and no control characters. */
const Word = z
  .string()
  .max(255)
  .regex(/^\P{Cc}*$/u)

const TimelineId = z.number().int().min(0).max(0xffff_ffff)

/** Columns are NULL, all of them, for a role without pg_read_all_stats. */
const RawReceiver = z.object({
  status: Word.nullable(),
  senderHost: Word.nullable(),
  senderPort: z.number().int().nullable(),
  receivedTimelineId: TimelineId.nullable(),
  lastMessageAgeMs: z.number().nullable(),
})

const RawAnswer = z.object({
  inRecovery: z.boolean(),
  walFile: z
    .string()
    .regex(/^[0-9A-F]{24}$/)
    .nullable(),
  writeLsn: LsnText.nullable(),
  receiveLsn: LsnText.nullable(),
  replayLsn: LsnText.nullable(),
  walReceiver: RawReceiver.nullable(),
  checkpointTimelineId: TimelineId,
  minRecoveryTimelineId: TimelineId,
  systemIdentifier: z.string().regex(/^-?\d{1,20}$/),
  postmasterStartedAt: z.string().regex(/^\d{1,20}$/),
  defaultReadOnly: z.boolean().nullable(),
  repmgrRows: z.unknown(),
  localNodeId: z.number().int().nullable(),
})

/**
 * Reads the JSON text of one answer. `unread` is the evidence to give when the statement did not read `repmgr.nodes`,
 * `null` when it did. Returns `null` for anything that the statement cannot have produced.
 */
export function parseAnswer(text: string, unread: RepmgrEvidence | null): NodeAnswer | null {
  const parsed = RawAnswer.safeParse(parseJson(text))
  if (!parsed.success) return null
  const raw = parsed.data
  const repmgr = unread ?? readRepmgr(raw.repmgrRows, raw.localNodeId)
  const walReceiver = readReceiver(raw.walReceiver)
  const timelineId = raw.inRecovery ? (walReceiver?.receivedTimelineId ?? null) : timelineOf(raw.walFile)
  // A primary always knows its timeline and position: an answer without them is no answer.
  if (!raw.inRecovery && (timelineId === null || raw.writeLsn === null)) return null
  return {
    inRecovery: raw.inRecovery,
    timelineId,
    timelineIdAtLeast: Math.max(raw.checkpointTimelineId, raw.minRecoveryTimelineId),
    systemIdentifier: raw.systemIdentifier,
    postmasterStartedAt: raw.postmasterStartedAt,
    lsn: raw.inRecovery ? raw.receiveLsn : raw.writeLsn,
    replayLsn: raw.inRecovery ? raw.replayLsn : null,
    walReceiver,
    defaultTransactionReadOnly: raw.defaultReadOnly ?? false,
    repmgr,
  }
}

/** The first 8 hexadecimal digits of a WAL file name are its timeline. */
function timelineOf(walFile: string | null): number | null {
  if (walFile === null) return null
  const timelineId = Number.parseInt(walFile.slice(0, 8), 16)
  return timelineId > 0 ? timelineId : null
}

function readReceiver(raw: z.infer<typeof RawReceiver> | null): WalReceiver | null {
  if (raw === null || raw.status === null) return null
  const { lastMessageAgeMs, receivedTimelineId } = raw
  return {
    status: raw.status,
    senderHost: raw.senderHost === '' ? null : raw.senderHost,
    senderPort: raw.senderPort,
    receivedTimelineId: receivedTimelineId === 0 ? null : receivedTimelineId,
    // The server's wall clock may have been set back between the message and now.
    lastMessageAgeMs: lastMessageAgeMs === null ? null : Math.max(0, lastMessageAgeMs),
  }
}

function readRepmgr(rawRows: unknown, localNodeId: number | null): RepmgrEvidence {
  if (Array.isArray(rawRows) && rawRows.length > ROWS_MAX) {
    return { kind: 'denied', missing: `repmgr.nodes has more than ${ROWS_MAX} rows: that is no cluster` }
  }
  const rows = parseRepmgrRows(rawRows)
  // Somebody's own table of that name must not hide what the server says of itself.
  if (rows === null) return { kind: 'denied', missing: 'repmgr.nodes does not hold rows as repmgr writes them' }
  // repmgr says -1 until repmgrd has run since the server started.
  return { kind: 'rows', rows, localNodeId: localNodeId === null || localNodeId < 0 ? null : localNodeId }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
