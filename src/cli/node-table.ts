/** The table of nodes that `check` and `status` share. Pure. */
import type { NodeRole } from '../topology/topology-state.ts'
import { toneOfRole } from './paint.ts'
import { formatAge, formatBytes } from './quantities.ts'
import { type Cell, type Column, EMPTY_CELL, type Layout, renderTable } from './table.ts'

/** One node as it is shown; `null` where the command does not know, or the node has not said. */
export interface NodeRow {
  readonly name: string
  readonly address: string
  readonly role: NodeRole
  readonly timelineId: number | null
  readonly inRecovery: boolean | null
  readonly replayLagBytes: number | null
  readonly sessions: number | null
  readonly lastSeenMs: number | null
  /** PostgreSQL's version, as it says it. */
  readonly serverVersion: string | null
  /** A predicate, perhaps with details after a colon. */
  readonly problem: string | null
}

function cellOf(text: string | null, tone: Cell['tone'] = 'plain'): Cell {
  return text === null ? EMPTY_CELL : { text, tone }
}

const COLUMNS: readonly Column<NodeRow>[] = [
  { title: 'NODE', align: 'left', cell: ({ name }) => ({ text: name, tone: 'strong' }) },
  { title: 'ADDRESS', align: 'left', cell: ({ address }) => ({ text: address }) },
  { title: 'ROLE', align: 'left', cell: ({ role }) => ({ text: role, tone: toneOfRole(role) }) },
  { title: 'TIMELINE', align: 'right', cell: ({ timelineId }) => cellOf(timelineId?.toString() ?? null) },
  {
    title: 'RECOVERY',
    align: 'left',
    cell: ({ inRecovery }) => cellOf(inRecovery === null ? null : inRecovery ? 'yes' : 'no'),
  },
  {
    title: 'LAG',
    align: 'right',
    cell: ({ replayLagBytes }) => cellOf(replayLagBytes === null ? null : formatBytes(replayLagBytes)),
  },
  { title: 'SESSIONS', align: 'right', cell: ({ sessions }) => cellOf(sessions?.toString() ?? null) },
  {
    title: 'SEEN',
    align: 'right',
    cell: ({ lastSeenMs }) => cellOf(lastSeenMs === null ? null : `${formatAge(lastSeenMs)} ago`),
  },
  { title: 'POSTGRESQL', align: 'left', cell: ({ serverVersion }) => cellOf(serverVersion) },
  { title: 'PROBLEM', align: 'left', cell: ({ problem }) => cellOf(shorten(problem), 'doubtful') },
]

/** The lines of the table. Columns about which nothing is known are left out. */
export function renderNodeTable(rows: readonly NodeRow[], layout: Layout): string[] {
  return renderTable(COLUMNS, rows, layout)
}

/** What stands after the colon (an error's own words, statements to run) is told below the table. */
function shorten(problem: string | null): string | null {
  return problem?.split(': ', 1)[0] ?? null
}
