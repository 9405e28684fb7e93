import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MUTATIONS } from './mutations.ts'

const SOURCE = join(import.meta.dirname, '..', '..', '..', 'src')

describe('the bugs made by hand', () => {
  it.each(MUTATIONS)('has the text to be replaced once in its file: $name', ({ file, find, replace }) => {
    expect(readFileSync(join(SOURCE, file), 'utf8').split(find)).toHaveLength(2)
    expect(replace).not.toBe(find)
  })

  it('has names that tell them apart', () => {
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length)
  })
})
