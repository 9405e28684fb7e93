import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeDependencies } from './dependency-table.ts'
import { readLockfile, readManifest } from './lockfile.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const DOCUMENT = join(ROOT, 'docs', 'dependencies.md')
const manifest = readManifest(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const lockfile = readLockfile(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))

describe('docs/dependencies.md', () => {
  it('says of each dependency what the lockfile says (else run this with UPDATE_DOCS=1)', () => {
    const document = readFileSync(DOCUMENT, 'utf8')
    const updated = writeDependencies(document, manifest, lockfile)
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCUMENT, updated)
    else expect(updated).toBe(document)
  })

  it('has a line for each dependency and for none that is gone', () => {
    const document = readFileSync(DOCUMENT, 'utf8')
    const more = { ...manifest, dependencies: { ...manifest.dependencies, 'left-pad': '^1.3.0' } }
    const { yaml: _, ...fewer } = manifest.dependencies
    expect(() => writeDependencies(document, more, lockfile)).toThrow('who keeps left-pad')
    expect(() => writeDependencies(document, { ...manifest, dependencies: fewer }, lockfile)).toThrow(
      'yaml is no dependency',
    )
  })
})
