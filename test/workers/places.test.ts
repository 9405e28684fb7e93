import { describe, expect, it } from 'vitest'
import { Places } from '../../src/workers/places.ts'

describe('the places of an address', () => {
  it('are counted over all workers', () => {
    const places = new Places()
    expect([places.take(1, 'x', 2), places.take(2, 'x', 2), places.take(1, 'x', 2)]).toEqual([true, true, false])
    expect(places.take(1, 'y', 2)).toBe(true)
    places.leave(2, 'x')
    expect([places.take(1, 'x', 2), places.take(2, 'x', 2)]).toEqual([true, false])
  })

  it('are free again when their worker is gone, and no other worker’s are', () => {
    const places = new Places()
    for (const worker of [1, 1, 2]) places.take(worker, 'x', 3)
    places.leaveAll(1)
    places.leaveAll(1)
    expect([1, 1, 1].map((worker) => places.take(worker, 'x', 3))).toEqual([true, true, false])
  })

  it('are not given back by a worker that has none', () => {
    const places = new Places()
    places.take(1, 'x', 1)
    places.leave(2, 'x')
    expect(places.take(2, 'x', 1)).toBe(false)
  })
})
