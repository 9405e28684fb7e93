/**
 * A table of text: columns as wide as their widest cell, two spaces between them, no lines. Pure. Widths are those of
 * the bare text, so that colour does not shift anything.
 */
import { stripVTControlCharacters } from 'node:util'
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

/** The lines, the titles first, without trailing spaces or newlines. Names from elsewhere lose their control characters. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paint: Paint): string[] {
  const filled = columns
    .map(({ cell, ...column }) => ({ ...column, cells: rows.map((row) => cleanCell(cell(row))) }))
    .filter(({ cells }) => cells.some(({ text }) => text !== EMPTY_CELL.text))
    .map((column) => ({
      ...column,
      width: Math.max(...[column.title, ...column.cells.map(({ text }) => text)].map(widthOf)),
    }))
  const line = (cells: readonly Cell[]): string =>
    filled
      .map(({ align, width }, index) => {
        const { text, tone = 'plain' } = cells[index] ?? EMPTY_CELL
        const padding = ' '.repeat(width - widthOf(text))
        const painted = paint(tone, text)
        if (align === 'right') return `${padding}${painted}`
        return index === filled.length - 1 ? painted : `${painted}${padding}`
      })
      .join('  ')
  const titles = filled.map(({ title }): Cell => ({ text: title, tone: 'faint' }))
  return [line(titles), ...rows.map((_, index) => line(filled.map(({ cells }) => cells[index] ?? EMPTY_CELL)))]
}

/** Text from elsewhere without escape sequences and control characters: a node's name must not move the cursor. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')
}

function cleanCell({ text, ...rest }: Cell): Cell {
  return { ...rest, text: printable(text) }
}

/** Characters as people count them; wide ones are not known here. */
function widthOf(text: string): number {
  return [...new Intl.Segmenter().segment(text)].length
}
