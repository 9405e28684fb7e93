import { describe, expect, it } from 'vitest'
import { describeStolen, parseProcessorTimes, stolenShare } from './stolen-time.ts'

describe('stolen time', () => {
  it('is what the host took of the time that was wanted here', () => {
    const before = parseProcessorTimes('cpu  100 1 50 9000 7 2 3 10 0 0\ncpu0 50 0 25 4500 3 1 1 5 0 0\n')
    const after = parseProcessorTimes('cpu  180 1 70 9900 9 2 3 35 0 0\n')

    expect(before).toEqual({ busy: 156, stolen: 10 })
    expect(describeStolen(before, after)).toBe("; 20.0 % of the processors' time went to other machines")
  })

  it('is none where nothing is known, and where nothing was wanted', () => {
    const idle = { busy: 5, stolen: 1 }

    expect([stolenShare(null, idle), stolenShare(idle, idle)]).toEqual([0, 0])
    expect(describeStolen(null, idle)).toBe('')
  })
})
