import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { TurnoverMap } from '../../src/session/turnover-map.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void

const VALUE_BYTES = 8 * 1024
const MEMBERS = 8
const TURNS = 5_000

type Store = Pick<Map<number, object>, 'set' | 'delete'> | TurnoverMap<number, object>

/** What is left in memory, in bytes, of values that came and went, with nothing but small collections meanwhile. */
function bytesLeftBy(store: Store): number {
  store.set(-1, {})
  // As in a process that has started: the table is old.
  collect({ type: 'minor' })
  collect({ type: 'major' })
  const before = getHeapStatistics().used_heap_size
  for (let turn = 0; turn < TURNS; turn += 1) {
    store.set(turn, new Array(VALUE_BYTES / 8).fill(turn))
    store.delete(turn - MEMBERS)
    if (turn % 200 === 0) collect({ type: 'minor' })
  }
  collect({ type: 'minor' })
  collect({ type: 'minor' })
  return getHeapStatistics().used_heap_size - before
}

describe('TurnoverMap', () => {
  it('leaves to the next small collection what has been taken out of it', () => {
    const all = TURNS * VALUE_BYTES

    expect(bytesLeftBy(new TurnoverMap())).toBeLessThan(0.1 * all)
    // Why it is there. Should this fail one day, V8 has learned it, and a Map will do.
    expect(bytesLeftBy(new Map())).toBeGreaterThan(0.2 * all)
  })

  it('is a Map otherwise', () => {
    const map = new TurnoverMap<string, { readonly name: string }>()
    const [a, b, c] = [{ name: 'a' }, { name: 'b' }, { name: 'c' }]
    map.set('one', a)
    map.set('two', b)
    map.set('one', c)

    expect([map.size, map.get('one'), map.get('two'), map.get('three')]).toEqual([2, c, b, undefined])
    expect([...map.values()]).toEqual([c, b])
    expect([...map.entries()]).toEqual([
      ['one', c],
      ['two', b],
    ])
    expect([map.delete('one'), map.delete('one')]).toEqual([true, false])
    expect([map.has('one'), map.has('two'), map.size]).toEqual([false, true, 1])
  })

  it('may be changed while it is walked through', () => {
    const map = new TurnoverMap<number, { readonly id: number }>()
    for (let id = 0; id < 4; id += 1) map.set(id, { id })
    const seen: number[] = []
    for (const { id } of map.values()) {
      seen.push(id)
      map.delete(id + 1)
      if (id === 0) map.set(9, { id: 9 })
    }

    expect(seen).toEqual([0, 2, 9])
  })
})
