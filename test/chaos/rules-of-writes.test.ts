import { describe, expect, it } from 'vitest'
import { parseLsn } from '../../src/topology/lsn.ts'
import { checkHistory } from './check-history.ts'
import { MadeHistory, told, view } from './made-history.ts'
import type { Fork } from './tables.ts'

function fork(timelineId: number, text: string): Fork {
  const endLsn = parseLsn(text)
  if (endLsn === null) throw new Error(`${text} is no LSN`)
  return { timelineId, endLsn }
}

/** node1 served on timeline 1; node2 was promoted at 10 s, forked at 0/500. */
function afterFailover(): MadeHistory {
  const history = new MadeHistory().accepted('proxy1', 10_000, 'node2', 2)
  return history.final({ node: 'node2', timelineId: 2, forks: [fork(1, '0/500')] })
}

describe('the rules of writes', () => {
  describe('write-lost', () => {
    it('is broken by a write of the last timeline that is not there', () => {
      const history = new MadeHistory().open('a', 1_000).write(1, 1_100, view('node1'), '0/100', true).closed(2_000)
      expect(history.broken()).toEqual(['write-lost'])
    })

    it('is kept by a write after the fork', () => {
      const history = afterFailover().open('a', 1_000).write(1, 9_000, view('node1'), '0/501', true).closed(10_100)
      expect(history.broken()).toEqual([])
    })

    it('is kept by the last write before the fork, of which nothing shows when it was committed', () => {
      const history = afterFailover().open('a', 1_000).write(1, 9_000, view('node1'), '0/4F0', true).closed(10_100)
      expect(history.broken()).toEqual([])
    })

    it('is broken by a write before the fork, as a later answer of that server shows', () => {
      const session = afterFailover().open('a', 1_000).write(1, 8_000, view('node1'), '0/400', true)
      expect(session.write(2, 9_000, view('node1'), '0/500').closed(10_100).broken()).toEqual(['write-lost'])
      const late = afterFailover().open('a', 1_000).write(1, 8_000, view('node1'), '0/400', true)
      expect(late.write(2, 9_000, view('node1'), '0/501').closed(10_100).broken()).toEqual([])
    })

    it('is kept by a write on a timeline that is no ancestor, or that two nodes had', () => {
      const other = new MadeHistory(null).final({ node: 'node2', timelineId: 3, forks: [fork(1, '0/500')] })
      expect(other.open('a', 1_000).write(1, 9_000, view('node1', 2), '0/400', true).closed(9_100).broken()).toEqual([])
      const twice = new MadeHistory(null).truth('node1', { timelineId: 2 }).final({ node: 'node2', timelineId: 2 })
      twice.open('b', 1_000).write(1, 2_000, view('node2', 2)).closed(2_100)
      twice.open('a', 3_000, 'write', 'proxy2').write(1, 9_000, view('node1', 2), '0/900', true).closed(9_100)
      expect(twice.broken()).toEqual([])
    })

    it('is broken by a loss with a fork when the proxy knew that the node is not the primary', () => {
      const history = afterFailover().open('a', 1_000).write(1, 12_000, view('node1'), '0/600', true).closed(12_100)
      expect(history.broken()).toContain('write-lost')
      const seen = new MadeHistory(null)
        .truth('node1', { timelineId: 1 })
        .truth('node2', { timelineId: 2, from: 5_000 })
      seen.final({ node: 'node2', timelineId: 2, forks: [fork(1, '0/500')] })
      seen.open('a', 1_000).write(1, 12_000, view('node1'), '0/600', true).closed(12_100)
      expect(seen.broken()).toContain('write-lost')
    })
  })

  it('find a write that is there twice', () => {
    const history = new MadeHistory().open('a', 1_000).write(1, 1_100).closed(2_000)
    expect(history.broken()).toEqual([])
    expect(history.row('a', 1).broken()).toEqual(['write-twice'])
  })

  it('find a write that is there though it was refused, and not one in doubt', () => {
    const make = (kind: 'failed' | 'unknown'): MadeHistory => {
      const history = new MadeHistory().truth('node1', { timelineId: 1, to: 1_000 })
      history.fault({ down: ['node1'] }, 1_000, 2_000).row('a', 1)
      const lost = told('08006', 'server closed the connection unexpectedly')
      return history.open('a', 1_000).fails(1, 1_100, lost, kind).closed(1_200, 'other', lost)
    }
    expect(make('failed').broken()).toEqual(['write-refused-yet-there'])
    expect(make('unknown').broken()).toEqual([])
    expect(make('unknown').row('a', 1).broken()).toEqual(['write-twice'])
  })

  it('find a row that nobody wrote, also by its nonce alone', () => {
    expect(new MadeHistory().row('a', 1).broken()).toEqual(['row-of-nobody'])
    const history = new MadeHistory().open('a', 1_000).write(1, 1_100).closed(2_000)
    expect(history.row('a', 1, 'of another').broken()).toEqual(['row-of-nobody'])
  })

  it('account for a write that is still under way when the run ends', () => {
    const history = new MadeHistory().row('a', 1)
    const session = history.open('a', 1_000)
    session.ask(1, 1_100)
    expect(session.history.broken()).toEqual([])
  })

  it('say that nothing can be accounted for without the final table', () => {
    const { violations } = checkHistory({ events: [], malformed: [] }, null)
    expect(violations.map(({ rule }) => rule)).toEqual(['history'])
  })
})
