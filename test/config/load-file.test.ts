import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfigFile } from '../../src/config/load-file.ts'
import { MINIMAL, mustLoad } from '../support/config-text.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgha-config-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a configuration file', () => {
  test('is loaded as its text is', async () => {
    const path = join(folder, 'ha.yaml')
    await writeFile(path, MINIMAL)
    expect(await loadConfigFile(path, {})).toEqual({ ok: true, config: mustLoad(MINIMAL), warnings: [] })
  })

  test('that is missing, a directory or a device is a fault', async () => {
    for (const [path, problem] of [
      [join(folder, 'none.yaml'), 'no such file'],
      [folder, 'it is not a regular file'],
      ['/dev/zero', 'it is not a regular file'],
    ] as const) {
      expect(await loadConfigFile(path, {})).toMatchObject({
        ok: false,
        faults: [{ problem: `the file cannot be read: ${problem}`, line: null }],
      })
    }
  })

  test('larger than 1 MiB is a fault', async () => {
    const path = join(folder, 'ha.yaml')
    await writeFile(path, `# ${'x'.repeat(1_048_576)}`)
    expect(await loadConfigFile(path, {})).toMatchObject({
      ok: false,
      faults: [{ problem: expect.stringContaining('larger') }],
    })
  })
})
