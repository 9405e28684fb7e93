/** A check as a screen: the nodes, the decision, the findings with their remedies. Pure. */

import { printable } from '../../observability/printable.ts'
import { addNames } from '../../topology/describe.ts'
import { renderNodeTable } from '../node-table.ts'
import type { Tone } from '../paint.ts'
import { formatCount } from '../quantities.ts'
import { indentOf, renderState } from '../status/render-status.ts'
import type { Layout } from '../table.ts'
import { wrap } from '../wrap.ts'
import { type Finding, SEVERITIES, type Severity } from './finding.ts'
import type { CheckReport } from './report.ts'

const TONES: Readonly<Record<Severity, Tone>> = { problem: 'bad', warning: 'doubtful', note: 'faint' }
/** As wide as the widest severity, and a gap. */
const INDENT = ' '.repeat(9)

/** The whole screen, without a newline at the end. */
export function renderReport(report: CheckReport, layout: Layout): string {
  const { paint, columns } = layout
  const { nodes, findings, state, steps, config } = report
  const indent = indentOf(state)
  const aside = (sentence: string): string => {
    return `${indent}${paint('faint', wrap(printable(sentence), columns, indent).join('\n'))}`
  }
  const rows = nodes.map((node) => ({ ...node, sessions: null, lastSeenMs: null }))
  const discovered = nodes.filter((node) => node.discovered).map(({ name }) => name)
  const lines = [...renderNodeTable(rows, layout), '', renderState(report, layout)]
  lines.push(...steps.map((step) => aside(`before that: ${step}`)))
  if (discovered.length > 0) {
    lines.push(
      aside(`${addNames(discovered)} ${discovered.length === 1 ? 'is' : 'are'} not in ${config}, but in repmgr.nodes`),
    )
  }
  for (const finding of findings) lines.push('', ...renderFinding(finding, layout))
  lines.push('', summarize(findings, layout))
  return lines.join('\n')
}

function renderFinding({ severity, message, remedy, statements }: Finding, { paint, columns }: Layout): string[] {
  const [first = '', ...others] = wrap(printable(message), columns, INDENT)
  const advice = wrap(printable(remedy), columns, INDENT)
  return [
    `${paint(TONES[severity], severity.padEnd(INDENT.length))}${first}`,
    ...others,
    `${INDENT}${advice.join('\n')}`,
    // Never broken: they are there to be copied.
    ...statements.map((statement) => `${INDENT}  ${paint('strong', printable(statement))}`),
  ]
}

function summarize(findings: readonly Finding[], { paint }: Layout): string {
  const counts = SEVERITIES.map((severity) => ({
    severity,
    count: findings.filter((finding) => finding.severity === severity).length,
  }))
  const parts = counts.filter(({ count }) => count > 0)
  const [worst] = parts
  if (worst === undefined) return paint('good', 'nothing to complain about')
  const tone = worst.severity === 'note' ? 'good' : TONES[worst.severity]
  return paint(tone, addNames(parts.map(({ count, severity }) => formatCount(count, severity))))
}
