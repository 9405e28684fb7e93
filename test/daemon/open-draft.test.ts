import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { JournalFile } from '../../src/daemon/journal-file.ts'
import { StateFile } from '../../src/daemon/state-file.ts'

let folder: string
let elsewhere: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pgha-draft-'))
  elsewhere = join(folder, 'elsewhere')
  writeFileSync(elsewhere, 'somebody else needs this')
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a link in the state directory', () => {
  it('is not followed by the state file: what it leads to stays as it is', async () => {
    symlinkSync(elsewhere, join(folder, `state.json.${process.pid}.new`))
    await expect(new StateFile(folder).save({ epoch: null, fenced: [] })).rejects.toThrow('ELOOP')
    expect(readFileSync(elsewhere, 'utf8')).toBe('somebody else needs this')
  })

  it('is not followed by the failover journal', async () => {
    symlinkSync(elsewhere, join(folder, 'failovers.json.new'))
    await expect(new JournalFile(folder).save([])).rejects.toThrow('ELOOP')
    expect(readFileSync(elsewhere, 'utf8')).toBe('somebody else needs this')
  })

  it('in the place of the state file itself is replaced, not written through', async () => {
    symlinkSync(elsewhere, join(folder, 'state.json'))
    await new StateFile(folder).save({ epoch: null, fenced: ['node1'] })
    expect(readFileSync(elsewhere, 'utf8')).toBe('somebody else needs this')
    expect(JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'))).toMatchObject({ fenced: ['node1'] })
  })
})
