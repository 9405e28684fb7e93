/** One record of the failover journal as a timeline: every sentence and every moment in order, then sessions and nodes. Pure. */
import type { FailoverMoment, FailoverRecord, PrimaryHolder } from '../../observability/failover-record.ts'
import { printable } from '../../observability/printable.ts'
import type { NodeRole } from '../../topology/topology-state.ts'
import { toneOfRole, toneOfState } from '../paint.ts'
import { formatCount, formatElapsed } from '../quantities.ts'
import { EMPTY_CELL, type Layout, renderTable } from '../table.ts'
import { wrap } from '../wrap.ts'
import { describeKind, formatTime } from './render-failovers.ts'

interface Entry extends FailoverMoment {
  /** Of entries of one moment the lower comes first. */
  readonly rank: number
  readonly text: string
}

/** Without a newline at the end. */
export function renderFailover(record: FailoverRecord, layout: Layout): string {
  const { paint, columns } = layout
  const entries = entriesOf(record)
  const times = entries.map((entry) => timeOf(entry))
  const width = Math.max(...times.map((time) => time.length), 0)
  const indent = ' '.repeat(width + 4)
  const lines = entries.map(({ text }, index) => {
    const time = times[index] ?? ''
    return `  ${paint('faint', time.padStart(width))}  ${wrap(printable(text), columns, indent).join('\n')}`
  })
  if (record.decisionsLeftOut > 0) {
    lines.push(
      `${indent}${paint('faint', `${formatCount(record.decisionsLeftOut, 'sentence')} in the middle left out`)}`,
    )
  }
  const title = `${describeKind(record)} ${record.id}`
  const tone = record.state === 'over' ? 'strong' : toneOfState('uncertain')
  const reason = wrap(printable(record.reason), columns, ' '.repeat(4)).join('\n')
  return [
    `${paint(tone, title)}  ${printable(describeChange(record))}, started ${formatTime(record.startedAt)} UTC`,
    ...(reason === '' ? [] : [`    ${reason}`]),
    '',
    ...lines,
    '',
    ...describeSessions(record).map((line) => `  ${printable(line)}`),
    '',
    ...renderNodes(record, layout).map((line) => `  ${line}`),
  ].join('\n')
}

function describeChange({ from, to }: FailoverRecord): string {
  const holder = (each: PrimaryHolder | null): string =>
    each === null ? 'nobody' : `${each.node} on timeline ${each.timelineId}`
  return `${holder(from)} -> ${holder(to)}`
}

function entriesOf({ from, to, times, decisions, kind }: FailoverRecord): Entry[] {
  const isNew = kind !== 'outage' || from?.timelineId !== to?.timelineId
  const proof = isNew ? `${to?.node} is accepted, and that is on disk` : `${to?.node} is proven again`
  const moments: [FailoverMoment | null, number, string][] = [
    [times.lastGoodProbe, 0, `the last good probe of ${from?.node} was sent`],
    [times.detection, 1, 'new sessions wait from here on'],
    [times.proof, 3, proof],
    [times.firstRouted, 5, `the first session is routed to ${to?.node}`],
    [times.allReleased, 6, 'the last held session is released'],
  ]
  return [
    ...moments.flatMap(([moment, rank, text]) => (moment === null ? [] : [{ ...moment, rank, text }])),
    ...decisions.map(({ state, reason, ...moment }) => ({
      ...moment,
      rank: state === 'serving' ? 4 : 2,
      text: `${state}: ${reason}`,
    })),
  ].toSorted((a, b) => compareMoments(a, b) || a.rank - b.rank)
}

function compareMoments(a: FailoverMoment, b: FailoverMoment): number {
  if (a.afterMs !== null && b.afterMs !== null) return a.afterMs - b.afterMs
  return a.at.localeCompare(b.at)
}

/** Since the last good probe, to the millisecond for a minute; where there was none, the time of day. */
function timeOf({ afterMs, at }: FailoverMoment): string {
  if (afterMs === null) return at.slice(11, 23)
  const isFine = afterMs >= 1_000 && afterMs < 60_000
  return `+${isFine ? `${(Math.floor(afterMs) / 1_000).toFixed(3)} s` : formatElapsed(afterMs)}`
}

function describeSessions({ from, sessions }: FailoverRecord): string[] {
  const { before, ended, lost, held, released, expired, left } = sessions
  const lines = [`held: ${held}, of which ${released} released, ${expired} expired, ${left} left`]
  if (from === null) return lines
  return [
    `sessions on ${from.node} before: ${before}; ${ended} ended by the proxy, ${lost} lost with the server`,
    ...lines,
  ]
}

function renderNodes({ nodes }: FailoverRecord, layout: Layout): string[] {
  if (nodes.length === 0) return []
  return renderTable<FailoverRecord['nodes'][number]>(
    [
      { title: 'NODE', align: 'left', cell: ({ name }) => ({ text: name, tone: 'strong' }) },
      { title: 'ROLE', align: 'left', cell: ({ role }) => ({ text: role, tone: toneOfRole(role satisfies NodeRole) }) },
      {
        title: 'TIMELINE',
        align: 'right',
        cell: ({ timelineId }) => (timelineId === null ? EMPTY_CELL : { text: String(timelineId) }),
      },
      {
        title: 'PROBLEM',
        align: 'left',
        cell: ({ problem }) => (problem === null ? EMPTY_CELL : { text: problem, tone: 'doubtful' }),
      },
    ],
    nodes,
    // The table stands two characters further in.
    { ...layout, columns: layout.columns === null ? null : layout.columns - 2 },
  )
}
