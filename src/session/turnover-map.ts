/**
 * A Map for large values that come and go all the time, such as sessions: what was taken out of it can be collected at once.
 * Pure.
 *
 * V8 gives a Map or Set a new table when the one it has is full, of deleted entries too, and the old table refers to the
 * new one and keeps what was in it. The first of them grows old while the process starts; from then on each keeps the
 * next one alive until all of memory is collected, with every value that was there when it was given up. Of sessions
 * that is half of all, which were moved to old space instead of being forgotten, in pauses of 20 ms.
 */
export class TurnoverMap<K extends string | number, V extends object> {
  /** A superseded table keeps the box, which is empty by then. */
  readonly #boxes = new Map<K, { value: V | null }>()

  get size(): number {
    return this.#boxes.size
  }

  get(key: K): V | undefined {
    return this.#boxes.get(key)?.value ?? undefined
  }

  has(key: K): boolean {
    return this.#boxes.has(key)
  }

  /** In place of what was there under the key. */
  set(key: K, value: V): void {
    const box = this.#boxes.get(key)
    if (box === undefined) this.#boxes.set(key, { value })
    else box.value = value
  }

  /** True when something was there. */
  delete(key: K): boolean {
    const box = this.#boxes.get(key)
    if (box === undefined) return false
    box.value = null
    return this.#boxes.delete(key)
  }

  /** In the order in which their keys came; it may be changed meanwhile, as a Map may. */
  *values(): Generator<V> {
    for (const { value } of this.#boxes.values()) if (value !== null) yield value
  }

  /** As `values`, with the keys. */
  *entries(): Generator<[K, V]> {
    for (const [key, { value }] of this.#boxes) if (value !== null) yield [key, value]
  }
}
