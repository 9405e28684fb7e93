/** The failover journal as a table, one line for each record, newest first. Pure. */
import {
  elapsedMs,
  type FailoverMoment,
  type FailoverRecord,
  type PrimaryHolder,
} from '../../observability/failover-record.ts'
import { formatElapsed } from '../quantities.ts'
import { type Cell, type Column, EMPTY_CELL, type Layout, renderTable } from '../table.ts'

/** `2026-11-23 02:41:38`: to the second, in UTC, as the log has it. */
export function formatTime(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ')
}

/** `failover`, `outage, in progress`. */
export function describeKind({ kind, state }: FailoverRecord): string {
  return state === 'over' ? kind : `${kind}, ${state.replace('-', ' ')}`
}

function elapsedCell(from: FailoverMoment | null, to: FailoverMoment | null): Cell {
  const elapsed = elapsedMs(from, to)
  return elapsed === null ? EMPTY_CELL : { text: formatElapsed(elapsed) }
}

function holderCell(holder: PrimaryHolder | null): Cell {
  return holder === null ? EMPTY_CELL : { text: `${holder.node} (${holder.timelineId})` }
}

/** Each time is counted from the one that it waits for. */
const COLUMNS: readonly Column<FailoverRecord>[] = [
  { title: 'ID', align: 'right', cell: ({ id }) => ({ text: String(id), tone: 'strong' }) },
  { title: 'STARTED (UTC)', align: 'left', cell: ({ startedAt }) => ({ text: formatTime(startedAt) }) },
  {
    title: 'KIND',
    align: 'left',
    cell: (record) => ({ text: describeKind(record), tone: record.state === 'over' ? 'plain' : 'doubtful' }),
  },
  { title: 'FROM', align: 'left', cell: ({ from }) => holderCell(from) },
  { title: 'TO', align: 'left', cell: ({ to }) => holderCell(to) },
  { title: 'DETECTION', align: 'right', cell: ({ times }) => elapsedCell(times.lastGoodProbe, times.detection) },
  {
    title: 'PROOF',
    align: 'right',
    cell: ({ times }) => elapsedCell(times.detection ?? times.lastGoodProbe, times.proof),
  },
  { title: 'FIRST SESSION', align: 'right', cell: ({ times }) => elapsedCell(times.proof, times.firstRouted) },
  { title: 'ALL RELEASED', align: 'right', cell: ({ times }) => elapsedCell(times.proof, times.allReleased) },
  { title: 'ENDED', align: 'right', cell: ({ sessions }) => ({ text: String(sessions.ended + sessions.lost) }) },
  { title: 'HELD', align: 'right', cell: ({ sessions }) => ({ text: String(sessions.held) }) },
  {
    title: 'EXPIRED',
    align: 'right',
    cell: ({ sessions: { expired } }) => ({ text: String(expired), tone: expired > 0 ? 'bad' : 'plain' }),
  },
]

/** Without a newline at the end. */
export function renderFailovers(records: readonly FailoverRecord[], layout: Layout): string {
  if (records.length === 0) return 'The journal is empty: no primary was accepted since it was begun.'
  return renderTable(COLUMNS, records, layout).join('\n')
}
