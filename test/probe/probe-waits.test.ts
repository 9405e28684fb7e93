import { describe, expect, it } from 'vitest'
import { ProbeWaits } from '../../src/probe/probe-waits.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'

/** A wait for these nodes that begins at 1,000 and may take 500 ms; `over` is what it resolved to. */
function begin(nodes: readonly string[]) {
  const clock = new FakeClock(1_000)
  const waits = new ProbeWaits(clock)
  const seen: { over: readonly string[] | null } = { over: null }
  void waits.wait(nodes, 500).then((silent) => {
    seen.over = silent
  })
  return { clock, waits, seen }
}

describe('ProbeWaits', () => {
  it('ends when something asked for after its begin has come back from every node', async () => {
    const { clock, waits, seen } = begin(['node1', 'node2'])
    waits.take('node1', 1_000)
    await settled()
    expect(seen.over).toBeNull()
    waits.take('node2', 1_001)
    await settled()
    expect(seen.over).toEqual([])
    expect(clock.pendingCount).toBe(0)
  })

  it('takes nothing that was asked before for news', async () => {
    const { waits, seen } = begin(['node1'])
    waits.take('node1', 999)
    await settled()
    expect(seen.over).toBeNull()
  })

  it('ends when its time is over, and names those that were silent', async () => {
    const { clock, waits, seen } = begin(['node1', 'node2'])
    waits.take('node2', 1_200)
    await clock.advanceSettled(499)
    expect(seen.over).toBeNull()
    await clock.advanceSettled(1)
    expect(seen.over).toEqual(['node1'])
  })

  it('ends at once when there is nothing to wait for, and when nothing will come any more', async () => {
    const none = begin([])
    await settled()
    expect(none.seen.over).toEqual([])

    const { clock, waits, seen } = begin(['node1'])
    waits.close()
    await settled()
    expect([seen.over, clock.pendingCount]).toEqual([['node1'], 0])
  })
})
