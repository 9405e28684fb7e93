import type { LookupAddress, LookupOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'
import process from 'node:process'
import { describe, expect, it } from 'vitest'
import { REMEMBERED_MS, RememberedLookup } from '../../src/net/remembered-lookup.ts'
import { FakeClock } from '../support/fake-clock.ts'

const FIRST: LookupAddress = { address: '192.0.2.1', family: 4 }
const SECOND: LookupAddress = { address: '192.0.2.2', family: 4 }

function setUp() {
  const clock = new FakeClock(5_000)
  const questions: Parameters<LookupFunction>[] = []
  const remembered = new RememberedLookup({ clock, lookup: (...question) => void questions.push(question) })
  const answers: unknown[][] = []
  return {
    ...{ clock, questions, answers, remembered },
    ask: (hostname: string, options: LookupOptions = { all: true }) =>
      remembered.lookup(hostname, options, (...answer) => answers.push(answer)),
    answer: (index: number, addresses: LookupAddress[]) => questions[index]?.[2](null, addresses),
    ticked: () => new Promise<void>((resolve) => process.nextTick(resolve)),
  }
}

describe('RememberedLookup', () => {
  it('asks once in a second, and gives each a list of its own', async () => {
    const { clock, questions, answers, ask, answer, ticked } = setUp()
    ask('pg-0')
    answer(0, [FIRST, SECOND])
    clock.advance(REMEMBERED_MS - 1)
    ask('pg-0')
    expect(answers).toHaveLength(1)
    await ticked()

    expect(questions).toHaveLength(1)
    expect(answers[1]).toEqual([null, [FIRST, SECOND]])
    expect(answers[1]?.[1]).not.toBe(answers[0]?.[1])
  })

  it('asks anew when the second is over, counted from the question', () => {
    const { clock, questions, ask, answer } = setUp()
    ask('pg-0')
    clock.advance(REMEMBERED_MS - 1)
    answer(0, [FIRST])
    clock.advance(1)
    ask('pg-0')

    expect(questions).toHaveLength(2)
  })

  it('asks anew when it was told to forget, also what it was asking just then', () => {
    const { questions, remembered, ask, answer } = setUp()
    ask('pg-0')
    remembered.forget()
    answer(0, [FIRST])
    ask('pg-0')
    answer(1, [SECOND])
    remembered.forget()
    ask('pg-0')

    expect(questions).toHaveLength(3)
  })

  it('does not remember an error', () => {
    const { questions, answers, ask } = setUp()
    const error = Object.assign(new Error('getaddrinfo EAI_AGAIN pg-0'), { code: 'EAI_AGAIN' })
    ask('pg-0')
    questions[0]?.[2](error, '', 0)
    ask('pg-0')

    expect(answers).toEqual([[error, '', 0]])
    expect(questions).toHaveLength(2)
  })

  it('keeps names and kinds of address apart, and passes on who wants one address', () => {
    const { questions, ask, answer } = setUp()
    ask('pg-0')
    answer(0, [FIRST])
    ask('pg-1')
    ask('pg-0', { all: true, family: 6 })
    ask('pg-0', {})
    ask('pg-0', {})

    expect(questions.map(([hostname, options]) => [hostname, options])).toEqual([
      ['pg-0', { all: true }],
      ['pg-1', { all: true }],
      ['pg-0', { all: true, family: 6 }],
      ['pg-0', {}],
      ['pg-0', {}],
    ])
  })
})
