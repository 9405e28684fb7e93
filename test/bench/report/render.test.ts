import { describe, expect, it } from 'vitest'
import { updatePage } from './docs-page.ts'
import { renderSection, renderTarget } from './render.ts'
import type { Section, Target } from './section.ts'

const TARGET: Target = {
  what: 'CPU, 8 clients',
  limit: { kind: 'at-most', value: 1.1 },
  unit: '',
  value: 1.0549,
  range: [1, 1.2],
}
const SECTION: Section = {
  id: 'copy',
  title: 'COPY',
  notes: ['One.', 'Two.'],
  tables: [{ title: 'Out', columns: ['', 'MB/s'], rows: [['HAProxy', '900']] }],
  targets: [TARGET],
}

describe('a target in the report', () => {
  it('is reached', () => {
    expect(renderTarget(TARGET)).toBe('| CPU, 8 clients | <= 1.1 | 1.05 (1.00 to 1.20) | yes |')
  })

  it('is missed, with its unit', () => {
    const target: Target = { what: 'idle', limit: { kind: 'at-least', value: 14 }, unit: 'KiB', value: 12 }
    expect(renderTarget(target)).toBe('| idle | >= 14 KiB | 12.0 KiB | **no** |')
  })

  it('was not measured, and says why', () => {
    const target: Target = { ...TARGET, value: null, missing: 'haproxy is not installed' }
    expect(renderTarget(target)).toBe('| CPU, 8 clients | <= 1.1 | not measured: haproxy is not installed | - |')
  })
})

describe('the page', () => {
  const copy = renderSection(SECTION, 'Measured today.')
  const ORDER = ['select', 'copy', 'idle']

  it('has a section with its words, tables and targets', () => {
    expect(copy).toBe(`## COPY

One. Two. Measured today.

**Out**

|  | MB/s |
|---|---:|
| HAProxy | 900 |

| what | target | measured | reached |
|---|---|---|---|
| CPU, 8 clients | <= 1.1 | 1.05 (1.00 to 1.20) | yes |`)
  })

  it('keeps the sections that were not measured again, in the order of the suite, and lists all targets on top', () => {
    const other = renderSection({ ...SECTION, id: 'select', title: 'Select' }, 'Measured yesterday.')
    const first = updatePage('', new Map([['copy', copy]]), ORDER)
    const second = updatePage(first, new Map([['select', other]]), ORDER)
    expect(second.indexOf('## Select')).toBeLessThan(second.indexOf('## COPY'))
    expect(second.slice(0, second.indexOf('<!-- section'))).toContain(
      `${renderTarget(TARGET)}\n${renderTarget(TARGET)}\n`,
    )
    expect(updatePage(second, new Map([['copy', copy]]), ORDER)).toBe(second)
  })

  it('replaces a section, and drops one whose workload is no more', () => {
    const first = updatePage('', new Map([['copy', copy]]), ORDER)
    expect(updatePage(first, new Map([['copy', '## New']]), ORDER)).toContain('<!-- section copy -->\n## New\n')
    expect(updatePage(first, new Map(), ['idle'])).not.toContain('COPY')
  })
})
