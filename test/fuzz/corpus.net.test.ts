import { afterAll, describe, expect, it } from 'vitest'
import { readCorpus } from './corpus.ts'
import { runOnce } from './run-once.ts'
import { adminHttp } from './targets/admin.ts'
import { session } from './targets/session.ts'

describe('the corpus', () => {
  afterAll(async () => {
    await session.close?.()
    await adminHttp.close?.()
  })

  it.each([
    ['session', session],
    ['admin-http', adminHttp],
  ] as const)('breaks no promise of %s', { timeout: 30_000 }, async (name, target) => {
    const entries = readCorpus(name)
    expect(entries.length).toBeGreaterThan(0)
    for (const { file, input } of entries) expect(await runOnce(target, input), file).toBeNull()
  })
})
