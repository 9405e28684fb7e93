/** The status of a running proxy as a screen: the state with its reason, the nodes, the warnings. Pure. */
import { renderNodeTable } from '../node-table.ts'
import { toneOfState } from '../paint.ts'
import { formatAge, formatCount } from '../quantities.ts'
import { type Layout, printable } from '../table.ts'
import { wrap } from '../wrap.ts'
import { explainNodes, explainOutlook } from './explain-status.ts'
import type { ShownStatus } from './parse-status.ts'

export interface RenderStatusOptions extends Layout {
  /** Evidence of each node, and what would change the decision. */
  readonly explain: boolean
  /** Wall time, for how long the state has been what it is. */
  readonly now: Date
}

/** `serving  node1 is primary on timeline 3`, without a newline at the end. */
export function renderState({ state, reason }: Pick<ShownStatus, 'state' | 'reason'>, layout: Layout): string {
  const sentence = wrap(printable(reason), layout.columns, indentOf(state))
  return `${layout.paint(toneOfState(state), state)}  ${sentence.join('\n')}`
}

/** What stands below the state begins below its reason. */
export function indentOf(state: string): string {
  return ' '.repeat(state.length + 2)
}

/** The whole screen, without a newline at the end. */
export function renderStatus(status: ShownStatus, options: RenderStatusOptions): string {
  const { paint, columns, explain, now } = options
  const lines = [renderState(status, options), `${indentOf(status.state)}${paint('faint', describeProxy(status, now))}`]
  const rows = status.nodes.map((node) => ({ ...node, serverVersion: null }))
  lines.push('', ...renderNodeTable(rows, options))
  const warnings = warningsBesideTable(status)
  if (warnings.length > 0) {
    lines.push('', ...warnings.map((warning) => `${paint('doubtful', 'warning')}  ${printable(warning)}`))
  }
  if (explain) {
    lines.push('', paint('faint', 'EVIDENCE'), ...explainNodes(status, options))
    const outlook = explainOutlook(status).flatMap((sentence) => {
      return wrap(sentence, columns, '    ').map((line, index) => (index === 0 ? `  - ${line}` : line))
    })
    lines.push('', paint('faint', 'WHAT WOULD CHANGE THIS'), ...outlook)
  }
  return lines.join('\n')
}

function describeProxy({ since, sessions, draining, version, uptimeSeconds }: ShownStatus, now: Date): string {
  const sinceMs = Date.parse(since)
  const parts = [
    ...(Number.isNaN(sinceMs) ? [] : [`for ${formatAge(now.getTime() - sinceMs)}`]),
    formatCount(sessions.active, 'session'),
    `${sessions.held} held`,
    ...(draining ? ['draining'] : []),
    `pgha-proxy ${printable(version)}, up ${formatAge(uptimeSeconds * 1_000)}`,
  ]
  return parts.join(', ')
}

/** Warnings that are no node's problem: those stand in the table, and in full in the evidence. */
function warningsBesideTable({ warnings, nodes }: ShownStatus): readonly string[] {
  return warnings.filter((warning) => {
    return !nodes.some(({ name, problem }) => problem !== null && `${name} ${problem}`.startsWith(warning))
  })
}
