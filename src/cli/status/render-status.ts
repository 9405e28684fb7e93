/** The status of a running proxy as a screen: the state with its reason, the nodes, the warnings. Pure. */
import { renderNodeTable } from '../node-table.ts'
import { type Paint, toneOfState } from '../paint.ts'
import { formatAge, formatCount } from '../quantities.ts'
import { printable } from '../table.ts'
import { explainNodes, explainOutlook } from './explain-status.ts'
import type { ShownStatus } from './parse-status.ts'

export interface RenderStatusOptions {
  readonly paint: Paint
  /** Evidence of each node, and what would change the decision. */
  readonly explain: boolean
  /** Wall time, for how long the state has been what it is. */
  readonly now: Date
}

/** `serving  node1 is primary on timeline 3`, without a newline. */
export function renderState({ state, reason }: Pick<ShownStatus, 'state' | 'reason'>, paint: Paint): string {
  return `${paint(toneOfState(state), state)}  ${printable(reason)}`
}

/** The whole screen, without a newline at the end. */
export function renderStatus(status: ShownStatus, { paint, explain, now }: RenderStatusOptions): string {
  const indent = ' '.repeat(status.state.length + 2)
  const lines = [renderState(status, paint), `${indent}${paint('faint', describeProxy(status, now))}`]
  const rows = status.nodes.map((node) => ({ ...node, serverVersion: null }))
  lines.push('', ...renderNodeTable(rows, paint))
  const warnings = explain ? status.warnings : warningsBesideTable(status)
  if (warnings.length > 0) {
    lines.push('', ...warnings.map((warning) => `${paint('doubtful', 'warning')}  ${printable(warning)}`))
  }
  if (explain) {
    lines.push('', paint('faint', 'EVIDENCE'), ...explainNodes(status, paint))
    lines.push('', paint('faint', 'WHAT WOULD CHANGE THIS'), ...explainOutlook(status).map((line) => `  ${line}`))
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

/** Warnings that no row of the table has as its problem. */
function warningsBesideTable({ warnings, nodes }: ShownStatus): readonly string[] {
  return warnings.filter((warning) => {
    return !nodes.some(({ name, problem }) => problem !== null && `${name} ${problem}`.startsWith(warning))
  })
}
