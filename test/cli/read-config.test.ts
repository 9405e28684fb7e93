import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readAdminToken } from '../../src/cli/read-config.ts'
import { MINIMAL, mustLoad } from '../support/config-text.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-token-'))
  file = join(folder, 'token')
})

afterEach(() => rmSync(folder, { recursive: true }))

async function readFile(token: string, mode = 0o600) {
  writeFileSync(file, token)
  chmodSync(file, mode)
  return await readAdminToken(mustLoad(`${MINIMAL}\nadmin: { token_file: ${file} }\n`))
}

describe('the admin token', () => {
  it('out of its file is taken without a word when it is long, and nobody else may read it', async () => {
    expect(await readFile('sixteen-letters!\n', 0o640)).toEqual({
      ok: true,
      token: 'sixteen-letters!',
      warnings: [],
      fileWarnings: [],
    })
  })

  it('that is short is taken, with a warning that does not show it', async () => {
    const read = await readFile('fifteen-letters')
    expect(read).toMatchObject({ ok: true, token: 'fifteen-letters', fileWarnings: [] })
    const [warning] = read.ok ? read.warnings : []
    expect(warning).toMatchObject({ path: 'admin.token_file', expected: expect.stringContaining('openssl rand') })
    expect(JSON.stringify(warning)).not.toContain('fifteen-letters')
  })

  it('in a file that every user may read is taken, with the command that ends that', async () => {
    expect(await readFile('sixteen-letters!', 0o644)).toMatchObject({
      ok: true,
      warnings: [],
      fileWarnings: [{ path: 'admin.token_file', expected: `chmod o-rwx ${file}` }],
    })
  })

  it('in a file that cannot be read is a fault', async () => {
    const config = mustLoad(`${MINIMAL}\nadmin: { token_file: ${join(folder, 'nothing')} }\n`)
    expect(await readAdminToken(config)).toMatchObject({
      ok: false,
      problem: expect.stringContaining('admin.token_file'),
    })
  })

  it('is none when there is no admin address, or none is configured', async () => {
    const none = { ok: true, token: null, warnings: [], fileWarnings: [] }
    expect(await readAdminToken(mustLoad(MINIMAL))).toEqual(none)
    expect(await readAdminToken(mustLoad(`${MINIMAL}\nadmin: off\n`))).toEqual(none)
  })
})
