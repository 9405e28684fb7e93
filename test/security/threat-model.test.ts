import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const DOCUMENT = readFileSync(join(ROOT, 'docs', 'threat-model.md'), 'utf8')

describe('docs/threat-model.md', () => {
  it('names only files that are there', () => {
    const named = new Set([...DOCUMENT.matchAll(/`((?:src|test|config|docs)\/[^`*]+)`/g)].map(([, path]) => path ?? ''))
    expect(named.size).toBeGreaterThan(40)
    expect([...named].filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })

  it('has a table for each attacker, and a row for each promise', () => {
    const tables = DOCUMENT.split('\n## ').filter((section) => section.includes('| wants to |'))
    expect(tables).toHaveLength(5)
    const rows = tables.flatMap((section) => section.split('\n').filter((line) => /^\| (?!wants to|---)/.test(line)))
    expect(rows.length).toBeGreaterThan(35)
    for (const promise of [1, 2, 3, 4, 5, 6, 7, 8]) expect(DOCUMENT).toContain(`| P${promise}, `)
  })
})
