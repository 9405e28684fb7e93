import { describe, expect, it } from 'vitest'
import { outageOf, together, type WriterEvent } from './outage.ts'

const [OLD, NEW] = [5001, 5002]
const TIMES = { faultAt: 1_000, writableAt: 1_500, endAt: 3_000, newPort: NEW }
const ack = (at: number, port: number): WriterEvent => ({ at, port })
const error = (at: number, code: string): WriterEvent => ({ at, error: code, words: '' })

describe('an outage', () => {
  it('ends with the first write on the promoted node, and its stall begins with the last one before the fault', () => {
    const events = [ack(900, OLD), ack(980, OLD), error(1_010, 'lost'), ack(1_540, NEW), ack(2_990, NEW)]
    expect(outageOf(events, { ...TIMES, endAt: 1_600 })).toEqual({
      recoveredMs: 40,
      stallMs: 560,
      errors: 1,
      readOnlyErrors: 0,
    })
  })

  it('is not over while nobody writes on the promoted node, whatever else answers', () => {
    const events = [ack(990, OLD), ack(1_010, OLD), error(1_600, '25006'), error(1_700, '25006'), error(1_800, '57P01')]
    expect(outageOf(events, TIMES)).toEqual({ recoveredMs: null, stallMs: 1_990, errors: 3, readOnlyErrors: 2 })
  })

  it('has a second stall, which may be the longer one', () => {
    const events = [ack(990, OLD), ack(1_600, NEW), ack(2_800, NEW)]
    expect(outageOf(events, TIMES)).toMatchObject({ recoveredMs: 100, stallMs: 1_200 })
  })

  it('counts nothing from before the fault or behind the end', () => {
    const events = [error(500, 'lost'), ack(990, OLD), ack(1_490, NEW), ack(2_999, NEW), error(3_001, '25006')]
    expect(outageOf(events, TIMES)).toMatchObject({ recoveredMs: 0, errors: 0, readOnlyErrors: 0 })
  })

  it('of two writers is over when the first of them writes, and as long as the longest', () => {
    const one = { recoveredMs: null, stallMs: 2_000, errors: 1, readOnlyErrors: 0 }
    const other = { recoveredMs: 50, stallMs: 600, errors: 3, readOnlyErrors: 2 }
    expect(together([one, other])).toEqual({ recoveredMs: 50, stallMs: 2_000, errors: 4, readOnlyErrors: 2 })
    expect(together([one]).recoveredMs).toBeNull()
  })
})
