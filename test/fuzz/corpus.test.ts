import { afterAll, describe, expect, it } from 'vitest'
import { corpusTargets, readCorpus } from './corpus.ts'
import { runOnce } from './run-once.ts'
import type { FuzzTarget } from './target.ts'
import { TARGETS } from './targets.ts'

/** These need sockets: see corpus.net.test.ts. */
const WITH_SOCKETS = ['session', 'admin-http']
const PURE = TARGETS.filter(({ name }) => !WITH_SOCKETS.includes(name))

async function failuresOf(target: FuzzTarget): Promise<readonly string[]> {
  const failures: string[] = []
  for (const { file, input } of readCorpus(target.name)) {
    const error = await runOnce(target, input)
    if (error !== null) failures.push(`${target.name}/${file}: ${error.message}`)
  }
  return failures
}

describe('the corpus', () => {
  afterAll(async () => {
    for (const target of PURE) await target.close?.()
  })

  it('has a folder for every target, and none for another', () => {
    expect(corpusTargets()).toEqual(TARGETS.map(({ name }) => name).sort())
  })

  it.each(PURE.map((target) => [target.name, target] as const))('breaks no promise of %s', async (name, target) => {
    expect(readCorpus(name).length).toBeGreaterThan(0)
    expect(await failuresOf(target)).toEqual([])
  })
})
