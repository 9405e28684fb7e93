/** The table of docs/tls.md, cell by cell, with psql. `UPDATE_DOCS=1` writes what was seen into the document. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { opensslAvailable } from '../support/certificates.ts'
import { leftOut } from '../support/left-out.ts'
import { findBinaries } from '../support/postgres-binaries.ts'
import { programsAvailable, runProgram } from './programs.ts'
import { tellOnFailure } from './scene.ts'
import { CERTIFICATE_DATABASE, TlsStage } from './tls-stage.ts'
import { type Cell, COLUMNS, ROWS, wordFor, writeTable } from './tls-table.ts'

const DOCUMENT = new URL('../../docs/tls.md', import.meta.url)

const binaries = findBinaries('system')
const isAvailable = opensslAvailable() === true ? programsAvailable('psql') : opensslAvailable()

describe.skipIf(leftOut('the table of docs/tls.md', isAvailable))('psql through each kind of listener', () => {
  if ('missing' in binaries) return
  let stage: TlsStage
  const seen = new Map<string, readonly string[]>()

  beforeAll(async () => {
    stage = await TlsStage.open(binaries, Object.assign({}, ...COLUMNS.map(({ listeners }) => listeners)))
  })
  afterAll(() => stage?.close())
  beforeEach(() => tellOnFailure(() => stage?.scene))

  const run = (listener: string, { method, sslmode, binding }: Cell) => {
    const byCertificate = {
      PGSSLCERT: stage.client.certFile,
      PGSSLKEY: stage.client.keyFile,
      PGDATABASE: CERTIFICATE_DATABASE,
      PGPASSWORD: '',
    }
    return runProgram('psql', ['-Xc', '\\conninfo'], {
      target: stage.target(listener),
      env: {
        PGHOST: 'localhost',
        PGSSLMODE: sslmode,
        PGCHANNELBINDING: binding,
        // Without verify-* psql takes note of it only if it is there.
        ...(sslmode.startsWith('verify-') ? { PGSSLROOTCERT: stage.authority.certFile } : {}),
        ...(method === 'client certificate' ? byCertificate : {}),
      },
    })
  }

  it.each(COLUMNS)('gets in, or is told why not, with $title', { timeout: 120_000 }, async ({ title, listeners }) => {
    const words: string[] = []
    for (const cell of ROWS) {
      const outcomes = new Set<string>()
      for (const listener of Object.keys(listeners)) outcomes.add(wordFor(await run(listener, cell)))
      expect([...outcomes], JSON.stringify(cell)).toHaveLength(1)
      words.push(...outcomes)
    }
    seen.set(title, words)
  })

  it('is what docs/tls.md says (else run this with UPDATE_DOCS=1)', () => {
    expect([...seen.keys()]).toEqual(COLUMNS.map(({ title }) => title))
    const document = readFileSync(DOCUMENT, 'utf8')
    const updated = writeTable(document, seen)
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(DOCUMENT, updated)
    else expect(updated).toBe(document)
  })
})
