/**
 * What happens next, and when: the only source of time in a simulation. Test support. Events of the same moment run in
 * the order in which they were scheduled, so that one plan always gives one history.
 */

interface Entry {
  readonly at: number
  readonly order: number
  run: (() => void) | null
}

export class EventQueue {
  readonly #heap: Entry[] = []
  #now = 0
  #order = 0
  #cancelledCount = 0

  /** Milliseconds since the simulation began. */
  get now(): number {
    return this.#now
  }

  /** Events that are scheduled and have neither run nor been cancelled. */
  get size(): number {
    return this.#heap.length - this.#cancelledCount
  }

  /** Runs `run` once, `delayMs` from now; the returned function cancels it and may be called at any time. */
  after(delayMs: number, run: () => void): () => void {
    const entry: Entry = { at: this.#now + Math.max(0, delayMs), order: this.#order, run }
    this.#order += 1
    this.#push(entry)
    return () => {
      if (entry.run === null) return
      entry.run = null
      this.#cancelledCount += 1
    }
  }

  /** Runs the next event that is due by `until`; false when there is none, and then it is `until`. */
  step(until: number): boolean {
    for (let top = this.#heap[0]; top !== undefined && top.at <= until; top = this.#heap[0]) {
      this.#pop()
      const { run } = top
      if (run === null) {
        this.#cancelledCount -= 1
        continue
      }
      top.run = null
      this.#now = Math.max(this.#now, top.at)
      run()
      return true
    }
    this.#now = Math.max(this.#now, until)
    return false
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = heap[parentAt]
      if (parent === undefined || !isBefore(entry, parent)) break
      heap[at] = parent
      at = parentAt
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let childAt = 2 * at + 1
      let child = heap[childAt]
      if (child === undefined) break
      const right = heap[childAt + 1]
      if (right !== undefined && isBefore(right, child)) {
        child = right
        childAt += 1
      }
      if (!isBefore(child, last)) break
      heap[at] = child
      at = childAt
    }
    heap[at] = last
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
