/**
 * A table of text: columns as wide as their widest cell, two spaces between them, no lines. Pure. Widths are those of
 * the bare text, so that colour does not shift anything.
 */
import { printable } from '../observability/printable.ts'
import type { Paint, Tone } from './paint.ts'

export interface Cell {
  readonly text: string
  readonly tone?: Tone
}

export interface Column<Row> {
  readonly title: string
  readonly align: 'left' | 'right'
  readonly cell: (row: Row) => Cell
}

/** What stands where there is nothing to say. A column with nothing but these is left out. */
export const EMPTY_CELL: Cell = { text: '-', tone: 'faint' }

/** How a screen looks: its colours, and its width in characters; `null` is as wide as it takes. */
export interface Layout {
  readonly paint: Paint
  readonly columns: number | null
}

const GAP = '  '
/** Narrower than this a cell says nothing any more. */
const CUT_WIDTH_MIN = 16

/**
 * The lines, the titles first, without trailing spaces or newlines. Names from elsewhere lose their control characters.
 * Where the lines would be too long, the last column is cut.
 */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], layout: Layout): string[] {
  const { paint } = layout
  const filled = columns
    .map(({ cell, ...column }) => ({ ...column, cells: rows.map((row) => cleanCell(cell(row))) }))
    .filter(({ cells }) => cells.some(({ text }) => text !== EMPTY_CELL.text))
    .map((column) => ({
      ...column,
      width: Math.max(...[column.title, ...column.cells.map(({ text }) => text)].map(widthOf)),
    }))
  const used = filled.slice(0, -1).reduce((sum, { width }) => sum + width + GAP.length, 0)
  const room = layout.columns === null ? Number.POSITIVE_INFINITY : Math.max(CUT_WIDTH_MIN, layout.columns - used)
  const line = (cells: readonly Cell[]): string =>
    filled
      .map(({ align, width }, index) => {
        const cell = cells[index] ?? EMPTY_CELL
        const isLast = index === filled.length - 1
        const text = isLast ? cut(cell.text, room) : cell.text
        const { tone = 'plain' } = cell
        const padding = ' '.repeat(Math.max(0, width - widthOf(text)))
        const painted = paint(tone, text)
        if (align === 'right') return `${padding}${painted}`
        return isLast ? painted : `${painted}${padding}`
      })
      .join(GAP)
  const titles = filled.map(({ title }): Cell => ({ text: title, tone: 'faint' }))
  return [line(titles), ...rows.map((_, index) => line(filled.map(({ cells }) => cells[index] ?? EMPTY_CELL)))]
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text
}

function cleanCell({ text, ...rest }: Cell): Cell {
  return { ...rest, text: printable(text) }
}

/** Characters as people count them; wide ones are not known here. */
function widthOf(text: string): number {
  return [...new Intl.Segmenter().segment(text)].length
}
