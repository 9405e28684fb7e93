import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPaint } from '../../src/cli/paint.ts'
import { type Column, EMPTY_CELL, renderTable } from '../../src/cli/table.ts'
import { printable } from '../../src/observability/printable.ts'

interface Fruit {
  readonly name: string
  readonly count: number | null
  readonly remark: string | null
}

const COLUMNS: readonly Column<Fruit>[] = [
  { title: 'NAME', align: 'left', cell: ({ name }) => ({ text: name, tone: 'strong' }) },
  { title: 'COUNT', align: 'right', cell: ({ count }) => (count === null ? EMPTY_CELL : { text: String(count) }) },
  { title: 'REMARK', align: 'left', cell: ({ remark }) => (remark === null ? EMPTY_CELL : { text: remark }) },
]
const FRUITS: readonly Fruit[] = [
  { name: 'fig', count: 1200, remark: null },
  { name: 'pineapple', count: null, remark: 'prickly' },
]
const plain = { paint: createPaint(false), columns: null }

describe('a table', () => {
  it('is as wide as its widest cells, and has no trailing spaces', () => {
    expect(renderTable(COLUMNS, FRUITS, plain)).toEqual([
      'NAME       COUNT  REMARK',
      'fig         1200  -',
      'pineapple      -  prickly',
    ])
  })

  it('leaves out a column about which nothing is known', () => {
    const unremarkable = FRUITS.map((fruit) => ({ ...fruit, remark: null }))
    expect(renderTable(COLUMNS, unremarkable, plain)[0]).toBe('NAME       COUNT')
  })

  it('is the same below its colours', () => {
    const colourful = renderTable(COLUMNS, FRUITS, { paint: createPaint(true), columns: null })
    expect(colourful.join('\n')).toContain('\x1b[')
    expect(colourful.map((line) => stripVTControlCharacters(line))).toEqual(renderTable(COLUMNS, FRUITS, plain))
  })

  it('cuts its last column where the terminal ends', () => {
    const remarks = [{ name: 'fig', count: 1, remark: 'very sweet, when it is ripe and the wasps have left it' }]
    const lines = renderTable(COLUMNS, remarks, { ...plain, columns: 40 })
    expect(lines[1]).toBe('fig       1  very sweet, when it is rip…')
    expect(lines[1]).toHaveLength(40)
  })

  it('does not let a name move the cursor', () => {
    const [, line = ''] = renderTable(COLUMNS, [{ name: 'a\x1b[2Jb\nc', count: 1, remark: null }], plain)
    expect(line).toBe('ab c      1')
  })

  it('has lines of one length whatever stands in them, when the last column is aligned right', () => {
    const columns = COLUMNS.slice(0, 2)
    const rows = fc.array(
      fc.record({ name: fc.string({ unit: 'grapheme', maxLength: 12 }), count: fc.nat(), remark: fc.constant(null) }),
      { minLength: 1, maxLength: 6 },
    )
    const lengthOf = (line: string): number => [...new Intl.Segmenter().segment(line)].length
    fc.assert(
      fc.property(rows, (fruits) => {
        // Neighbouring cells of combining characters would be counted as one: a letter keeps them apart.
        const bounded = fruits.map((fruit) => ({ ...fruit, name: `a${printable(fruit.name)}z` }))
        const lengths = new Set(renderTable(columns, bounded, plain).map(lengthOf))
        expect(lengths.size).toBe(1)
      }),
    )
  })
})
