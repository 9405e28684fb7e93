import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HoldQueue, ReleaseGate } from '../../src/session/hold-queue.ts'

describe('HoldQueue', () => {
  it('keeps the order in which they came', () => {
    const queue = new HoldQueue<string>(3)
    for (const member of ['a', 'b', 'c']) queue.add(member)

    expect([...queue]).toEqual(['a', 'b', 'c'])
  })

  it('takes no more than its size, and says so', () => {
    const queue = new HoldQueue<string>(2)

    expect([queue.add('a'), queue.add('b'), queue.add('c')]).toEqual([true, true, false])
    expect([...queue]).toEqual(['a', 'b'])
  })

  it('holds nobody with a size of 0', () => {
    const queue = new HoldQueue<string>(0)

    expect(queue.add('a')).toBe(false)
    expect(queue.size).toBe(0)
  })

  it('keeps the place of a member that is added again, also when it is full', () => {
    const queue = new HoldQueue<string>(2)
    queue.add('a')
    queue.add('b')

    expect(queue.add('a')).toBe(true)
    expect([...queue]).toEqual(['a', 'b'])
  })

  it('frees the place of a member that leaves', () => {
    const queue = new HoldQueue<string>(2)
    queue.add('a')
    queue.add('b')

    expect(queue.remove('a')).toBe(true)
    expect(queue.remove('a')).toBe(false)
    expect(queue.add('c')).toBe(true)
    expect([...queue]).toEqual(['b', 'c'])
  })

  it('throws nobody out when it is made smaller', () => {
    const queue = new HoldQueue<string>(3)
    for (const member of ['a', 'b', 'c']) queue.add(member)
    queue.sizeMax = 1

    expect(queue.size).toBe(3)
    queue.remove('a')
    queue.remove('b')
    expect(queue.add('d')).toBe(false)
    queue.remove('c')
    expect(queue.add('d')).toBe(true)
  })

  it('may be changed while it is walked through: who left is not visited', () => {
    const queue = new HoldQueue<string>(9)
    for (const member of ['a', 'b', 'c', 'd']) queue.add(member)
    const visited: string[] = []
    for (const member of queue) {
      visited.push(member)
      queue.remove(member)
      if (member === 'a') queue.remove('c')
    }

    expect(visited).toEqual(['a', 'b', 'd'])
    expect(queue.size).toBe(0)
  })
})

/** How many the gate lets through at this moment. */
function takeAll(gate: ReleaseGate, now: number): number {
  let count = 0
  while (gate.take(now)) count += 1
  return count
}

describe('ReleaseGate', () => {
  it('lets a twentieth of a second pass at once, and no more while the clock stands still', () => {
    const gate = new ReleaseGate(200, 0)

    expect(takeAll(gate, 0)).toBe(10)
    expect(takeAll(gate, 0)).toBe(0)
    expect(gate.delayMs(0)).toBe(5)
  })

  it('lets one through at once however low the rate is', () => {
    const gate = new ReleaseGate(0.5, 0)

    expect(takeAll(gate, 0)).toBe(1)
    expect(gate.delayMs(0)).toBe(2000)
    expect(gate.take(1999)).toBe(false)
    expect(gate.take(2000)).toBe(true)
  })

  it('does not make up for a long pause beyond its burst', () => {
    const gate = new ReleaseGate(200, 0)
    takeAll(gate, 0)

    expect(takeAll(gate, 3_600_000)).toBe(10)
  })

  it('lets nobody through for a clock that goes back', () => {
    const gate = new ReleaseGate(200, 1000)
    takeAll(gate, 1000)

    expect(takeAll(gate, 0)).toBe(0)
    expect(takeAll(gate, 5)).toBe(1)
  })

  it('keeps its rate over any second, whatever the steps of the clock', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.array(fc.double({ min: 0, max: 400, noNaN: true }), { minLength: 1, maxLength: 60 }),
        (rate, steps) => {
          const gate = new ReleaseGate(rate, 0)
          let now = 0
          let count = takeAll(gate, now)
          for (const step of steps) {
            now += step
            count += takeAll(gate, now)
          }
          const burst = Math.max(1, rate * 0.05)
          expect(count).toBeLessThanOrEqual(burst + (now * rate) / 1000 + 1e-6)
        },
      ),
    )
  })

  it('is open again after the delay it asks for, or one more millisecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1e9, noNaN: true }), (rate, start) => {
        const gate = new ReleaseGate(rate, start)
        let now = start
        for (let round = 0; round < 20; round += 1) {
          takeAll(gate, now)
          const delayMs = gate.delayMs(now)
          expect(delayMs).toBeGreaterThan(0)
          now += delayMs
          expect(gate.take(now) || gate.take(now + 1)).toBe(true)
        }
      }),
    )
  })
})
