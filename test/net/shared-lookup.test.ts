import type { LookupAddress, LookupAllOptions } from 'node:dns'
import { describe, expect, it } from 'vitest'
import { createSharedLookup, type ResolveAll } from '../../src/net/shared-lookup.ts'

interface Question {
  readonly hostname: string
  readonly options: LookupAllOptions
  readonly answer: Parameters<ResolveAll>[2]
}

function setUp() {
  const questions: Question[] = []
  const lookup = createSharedLookup((hostname, options, answer) => questions.push({ hostname, options, answer }))
  const answers: unknown[][] = []
  const ask = (hostname: string, options: { all?: boolean; family?: number } = { all: true }): void =>
    lookup(hostname, options, (...answer) => answers.push(answer))
  return { questions, answers, ask }
}

const V4: LookupAddress = { address: '192.0.2.1', family: 4 }
const V6: LookupAddress = { address: '2001:db8::1', family: 6 }

describe('createSharedLookup', () => {
  it('asks once for all who want to know the same at the same time, and gives each a list of its own', () => {
    const { questions, answers, ask } = setUp()
    for (let count = 0; count < 1000; count += 1) ask('pg-0')
    expect(questions.length).toBe(1)
    questions[0]?.answer(null, [V4, V6])

    expect(answers.length).toBe(1000)
    expect(answers[999]).toEqual([null, [V4, V6]])
    expect(answers[0]?.[1]).not.toBe(answers[1]?.[1])
  })

  it('keeps nothing: whoever asks later asks anew', () => {
    const { questions, answers, ask } = setUp()
    ask('pg-0')
    questions[0]?.answer(null, [V4])
    ask('pg-0')
    questions[1]?.answer(null, [V6])

    expect(answers).toEqual([
      [null, [V4]],
      [null, [V6]],
    ])
  })

  it('asks anew when somebody asks from within an answer', () => {
    const questions: Question[] = []
    const lookup = createSharedLookup((hostname, options, answer) => questions.push({ hostname, options, answer }))
    let second = false
    lookup('pg-0', { all: true }, () =>
      lookup('pg-0', { all: true }, () => {
        second = true
      }),
    )
    questions[0]?.answer(null, [V4])
    expect([questions.length, second]).toEqual([2, false])
    questions[1]?.answer(null, [V4])
    expect(second).toBe(true)
  })

  it('tells everybody of an error', () => {
    const { questions, answers, ask } = setUp()
    ask('pg-0')
    ask('pg-0')
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND pg-0'), { code: 'ENOTFOUND' })
    questions[0]?.answer(error, [])

    expect(answers.map(([first]) => first)).toEqual([error, error])
    ask('pg-0')
    expect(questions.length).toBe(2)
  })

  it('keeps different questions apart', () => {
    const { questions, ask } = setUp()
    ask('pg-0')
    ask('pg-1')
    ask('pg-0', { all: true, family: 6 })

    expect(questions.map(({ hostname }) => hostname)).toEqual(['pg-0', 'pg-1', 'pg-0'])
    expect(questions.every(({ options }) => options.all === true)).toBe(true)
  })

  it('gives one address to who wants one', () => {
    const { questions, answers, ask } = setUp()
    ask('pg-0', {})
    questions[0]?.answer(null, [V4, V6])

    expect(answers).toEqual([[null, V4.address, V4.family]])
  })
})
