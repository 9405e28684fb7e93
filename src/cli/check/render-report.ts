/** A check as a screen: the nodes, the decision, the findings with their remedies. Pure. */
import { addNames } from '../../topology/describe.ts'
import { renderNodeTable } from '../node-table.ts'
import type { Paint, Tone } from '../paint.ts'
import { formatCount } from '../quantities.ts'
import { renderState } from '../status/render-status.ts'
import { printable } from '../table.ts'
import type { Finding, Severity } from './finding.ts'
import type { CheckReport } from './report.ts'

const TONES: Readonly<Record<Severity, Tone>> = { problem: 'bad', warning: 'doubtful', note: 'faint' }
/** As wide as the widest severity, and a gap. */
const INDENT = ' '.repeat(9)

/** The whole screen, without a newline at the end. */
export function renderReport(report: CheckReport, paint: Paint): string {
  const { nodes, findings, state, steps, config } = report
  const indent = ' '.repeat(state.length + 2)
  const rows = nodes.map((node) => ({ ...node, sessions: null, lastSeenMs: null }))
  const discovered = nodes.filter((node) => node.discovered).map(({ name }) => name)
  const lines = [...renderNodeTable(rows, paint), '', renderState(report, paint)]
  lines.push(...steps.map((step) => `${indent}${paint('faint', `before that: ${printable(step)}`)}`))
  if (discovered.length > 0) {
    const verb = discovered.length === 1 ? 'is' : 'are'
    const sentence = `${addNames(discovered)} ${verb} not in ${config}, but in repmgr.nodes`
    lines.push(`${indent}${paint('faint', printable(sentence))}`)
  }
  for (const finding of findings) lines.push('', ...renderFinding(finding, paint))
  lines.push('', summarize(findings, paint))
  return lines.join('\n')
}

function renderFinding({ severity, message, remedy, statements }: Finding, paint: Paint): string[] {
  return [
    `${paint(TONES[severity], severity.padEnd(INDENT.length))}${printable(message)}`,
    `${INDENT}${printable(remedy)}`,
    ...statements.map((statement) => `${INDENT}  ${paint('strong', printable(statement))}`),
  ]
}

function summarize(findings: readonly Finding[], paint: Paint): string {
  const count = (severity: Severity): number => findings.filter((finding) => finding.severity === severity).length
  const parts = (['problem', 'warning', 'note'] as const).flatMap((severity) => {
    return count(severity) === 0 ? [] : [formatCount(count(severity), severity)]
  })
  if (parts.length === 0) return paint('good', 'nothing to complain about')
  const tone: Tone = count('problem') > 0 ? 'bad' : count('warning') > 0 ? 'doubtful' : 'good'
  return paint(tone, addNames(parts))
}
