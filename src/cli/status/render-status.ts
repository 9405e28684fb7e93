/** The status of a running proxy as a screen: the state with its reason, the nodes, the warnings. Pure. */

import { printable } from '../../observability/printable.ts'
import { renderNodeTable } from '../node-table.ts'
import { toneOfState } from '../paint.ts'
import { formatAge, formatCount } from '../quantities.ts'
import type { Layout } from '../table.ts'
import { wrap } from '../wrap.ts'
import { explainBasis, explainNodes, explainOutlook } from './explain-status.ts'
import type { ShownStatus } from './parse-status.ts'

export interface RenderStatusOptions extends Layout {
  /** Evidence of each node, and what would change the decision. */
  readonly explain: boolean
  /** Wall time, for how long the state has been what it is. */
  readonly now: Date
}

/** `  claimants  ` */
const BASIS_INDENT = ' '.repeat(13)

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
  const earlier = status.predecessors.map((process) => paint('faint', describePredecessor(process)))
  const workers = status.workers.map((worker) => paint('faint', describeWorker(worker)))
  lines.push(...[...earlier, ...workers].map((text) => `${indentOf(status.state)}${text}`))
  const rows = status.nodes.map((node) => ({ ...node, serverVersion: null }))
  const table = renderNodeTable(rows, options)
  lines.push('', ...table)
  const warnings = warningsBeside(explain ? [] : table, status)
  if (warnings.length > 0) {
    const indent = indentOf('warning')
    const texts = warnings.map((warning) => wrap(printable(warning), columns, indent).join('\n'))
    lines.push('', ...texts.map((text) => `${paint('doubtful', 'warning')}  ${text}`))
  }
  if (explain) {
    lines.push('', paint('faint', 'EVIDENCE'), ...explainNodes(status, options))
    const basis = explainBasis(status).flatMap(([word, text]) =>
      wrap(printable(text), columns, BASIS_INDENT).map((line, index) =>
        index === 0 ? `  ${paint('faint', word.padEnd(BASIS_INDENT.length - 2))}${line}` : line,
      ),
    )
    lines.push('', paint('faint', 'DECISION'), ...basis)
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

function describePredecessor({ pid, version, sessions }: ShownStatus['predecessors'][number]): string {
  return `${formatCount(sessions, 'session')} more in the process before the upgrade (${pid}, ${printable(version)})`
}

function describeWorker({ worker, pid, sessions, rssBytes, eventLoopDelayMs }: ShownStatus['workers'][number]): string {
  const megabytes = Math.round(rssBytes / 1e6)
  return `worker ${worker} (${pid}): ${formatCount(sessions, 'session')}, ${megabytes} MB, late by ${Math.round(eventLoopDelayMs)} ms`
}

/**
 * Warnings that are told nowhere else: those about a node stand in its row unless they are too long for it. The evidence
 * has them all, and then `table` is empty.
 */
function warningsBeside(table: readonly string[], { warnings, nodes }: ShownStatus): readonly string[] {
  return warnings.filter((warning) => {
    const node = nodes.find(({ name, problem }) => problem !== null && `${name} ${problem}`.startsWith(warning))
    if (node === undefined) return true
    const problem = printable(warning.slice(node.name.length + 1))
    return table.length > 0 && !table.some((line) => line.includes(problem))
  })
}
