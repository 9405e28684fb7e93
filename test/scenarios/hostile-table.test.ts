import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { writeTables } from './hostile-table.ts'

const DOCUMENT = new URL('../../docs/hostile-input.md', import.meta.url)

it('docs/hostile-input.md has the forms that the tests send (else run this with UPDATE_DOCS=1)', () => {
  const document = readFileSync(DOCUMENT, 'utf8')
  const updated = writeTables(document)
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCUMENT, updated)
  else expect(updated).toBe(document)
})
