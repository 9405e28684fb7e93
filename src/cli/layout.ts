/** From the terminal to the layout of a screen. */
import { createPaint } from './paint.ts'
import type { Layout } from './table.ts'
import type { Terminal } from './terminal.ts'

export function layoutOf({ useColor, columns }: Pick<Terminal, 'useColor' | 'columns'>): Layout {
  return { paint: createPaint(useColor), columns }
}
