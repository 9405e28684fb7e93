/** Sections as Markdown, and the verdict on a target in words. Pure. */
import { showNumber } from './compare.ts'
import { isReached, type Section, type Table, type Target } from './section.ts'

/** The heading of every table of targets. */
export const TARGET_HEAD = ['| what | target | measured | reached |', '|---|---|---|---|'] as const

/** The section with its tables and targets. `when` ends up below the heading. */
export function renderSection(section: Section, when: string): string {
  const parts = [
    `## ${section.title}`,
    `${[...section.notes, when].join(' ')}`,
    ...section.tables.map(renderTable),
    ...(section.targets.length === 0 ? [] : [[...TARGET_HEAD, ...section.targets.map(renderTarget)].join('\n')]),
  ]
  return parts.join('\n\n')
}

function renderTable({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const dashes = `|${columns.map((_, index) => (index === 0 ? '---' : '---:')).join('|')}|`
  const table = [line(columns), dashes, ...rows.map(line)].join('\n')
  return title === '' ? table : `**${title}**\n\n${table}`
}

/** One row of a table of targets. */
export function renderTarget(target: Target): string {
  const { what, limit, unit, value, range, missing } = target
  const withUnit = (text: string): string => (unit === '' ? text : `${text} ${unit}`)
  const wanted = `${limit.kind === 'at-most' ? '<=' : '>='} ${withUnit(String(limit.value))}`
  const digits = limit.value < 10 ? 2 : 1
  const reached = isReached(target)
  if (value === null || reached === null) return `| ${what} | ${wanted} | not measured: ${missing ?? 'no figure'} | - |`
  const between = range === undefined ? '' : ` (${showNumber(range[0], digits)} to ${showNumber(range[1], digits)})`
  return `| ${what} | ${wanted} | ${withUnit(showNumber(value, digits))}${between} | ${reached ? 'yes' : '**no**'} |`
}
