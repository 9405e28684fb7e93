import { describe, expect, it } from 'vitest'
import { MadeHistory, told, view } from './made-history.ts'

const READ_ONLY = told('25006', 'cannot execute INSERT in a read-only transaction')

describe('the rules of routing', () => {
  it('find nothing in a history in which all is well', () => {
    const history = new MadeHistory().truth('node1', { timelineId: 1 }).standby('node2')
    history.open('a', 1_000).write(1, 1_100).write(2, 1_200).closed(2_000)
    expect(history.broken()).toEqual([])
  })

  describe('read-only', () => {
    it('is broken by 25006 in answer to a write, at a login, and at an end', () => {
      const { history } = new MadeHistory().open('a', 1_000).fails(1, 1_100, READ_ONLY)
      expect(history.broken()).toContain('read-only')
      expect(new MadeHistory().connect('a', 1_000).refused(1_010, READ_ONLY).broken()).toContain('read-only')
      expect(new MadeHistory().open('a', 1_000).closed(1_010, 'other', READ_ONLY).broken()).toContain('read-only')
    })

    it('is broken by a login in hot standby, and by an answer of a server in recovery', () => {
      const login = new MadeHistory().connect('a', 1_000).opened(1_010, 'on').history
      expect(login.broken()).toEqual(['read-only'])
      const answer = new MadeHistory().open('a', 1_000).write(1, 1_100, view('node1', null)).history
      expect(answer.broken()).toEqual(['read-only'])
    })

    it('is kept by readers, who are on standbys', () => {
      const { history } = new MadeHistory().connect('r', 1_000, 'read').opened(1_010, 'on').read('a', 1_100, null)
      expect(history.broken()).toEqual([])
    })
  })

  describe('routed-by-epoch', () => {
    it('is broken by an answer of another node than that of the epoch', () => {
      const history = new MadeHistory().open('a', 5_000).write(1, 5_100, view('node3')).history
      expect(history.broken()).toEqual(['routed-by-epoch'])
    })

    it('is broken by what the old primary answers after the bound of P2, and not before', () => {
      const askedAfter = (askedMs: number): MadeHistory => {
        const history = new MadeHistory().accepted('proxy1', 10_000, 'node2', 2).final({ node: 'node2', timelineId: 2 })
        const lost = history.open('a', 1_000).write(1, 10_000 + askedMs, view('node1'), '0/500', true)
        return lost.closed(10_000 + askedMs + 20)
      }
      expect(askedAfter(2_000).broken()).toContain('routed-by-epoch')
      expect(askedAfter(1_400).broken()).toEqual([])
    })

    it('is kept by a session on a node whose acceptance is read from the log a moment later', () => {
      const history = new MadeHistory().accepted('proxy1', 10_500, 'node2', 2).final({ node: 'node2', timelineId: 2 })
      history.open('a', 9_900).write(1, 10_000, view('node2', 2)).closed(10_100)
      expect(history.broken()).toEqual([])
    })

    it('says nothing of a proxy that has lost its memory, until it has accepted somebody', () => {
      const history = new MadeHistory().fault({ forgets: ['proxy1'], down: ['proxy1'] }, 4_000, 5_000)
      history.accepted('proxy1', 9_000, 'node3', 1)
      history.open('a', 6_000).write(1, 8_500, view('node3')).write(2, 20_000, view('node3')).closed(20_100)
      expect(history.broken()).toEqual([])
      history.open('b', 21_000).write(1, 21_100, view('node1')).closed(21_200)
      expect(history.broken()).toContain('routed-by-epoch')
    })
  })

  describe('routed-by-evidence', () => {
    const split = (evidenceFrom: number): MadeHistory =>
      new MadeHistory(null)
        .truth('node1', { timelineId: 1 })
        .standby('node3')
        .truth('node2', { timelineId: 1, inRecovery: true, to: evidenceFrom - 100 })
        .truth('node2', { timelineId: 2, from: evidenceFrom })
        .final({ node: 'node2', timelineId: 2 })
    const writeOnOld = (history: MadeHistory): MadeHistory =>
      history.open('a', 1_000).write(1, 20_000, view('node1'), '0/500', true).closed(20_050)

    it('is broken by an answer of the old primary when the new one has been in plain sight for the bound', () => {
      expect(writeOnOld(split(15_000)).broken()).toContain('routed-by-evidence')
    })

    it('is kept while the promotion is younger than the bound', () => {
      expect(writeOnOld(split(16_100)).broken()).toEqual([])
    })

    it.each([
      { why: 'the way to it was cut', effect: { cut: [['node2', 'proxy1']] } },
      { why: 'the way to it was slow', effect: { impaired: [['proxy1', 'node2']] } },
      { why: 'the proxy stood still', effect: { frozen: ['proxy1'] } },
      { why: 'the proxy could not look up its name', effect: { nameless: ['proxy1'] } },
      { why: 'the proxy could not write it down', effect: { diskFull: ['proxy1'] } },
    ] as const)('is kept when $why at some time of the bound', ({ effect }) => {
      expect(writeOnOld(split(10_000).fault(effect, 17_000, 17_500)).broken()).toEqual([])
      // What befalls another proxy, or ended before, is no excuse.
      expect(writeOnOld(split(10_000).fault(effect, 3_000, 5_000)).broken()).toContain('routed-by-evidence')
    })

    it('is kept when another claims the same timeline, and when its own row does not say so', () => {
      const rivals = split(10_000).truth('node4', { timelineId: 2 })
      expect(writeOnOld(rivals).broken()).toEqual([])
      const unconfirmed = new MadeHistory(null).truth('node1', { timelineId: 1 })
      unconfirmed.truth('node2', { timelineId: 2, confirmed: false }).final({ node: 'node2', timelineId: 2 })
      expect(writeOnOld(unconfirmed).broken()).toEqual([])
    })

    it('is kept when nobody has seen the successor for a while', () => {
      const gap = new MadeHistory(null).truth('node1', { timelineId: 1 }).final({ node: 'node2', timelineId: 2 })
      gap.truth('node2', { timelineId: 2, to: 17_000 }).truth('node2', { timelineId: 2, from: 18_500 })
      expect(writeOnOld(gap).broken()).toEqual([])
    })
  })

  describe('timeline-falls', () => {
    const two = (askedAt: number, node = 'node1', timelineId = 1): MadeHistory => {
      const history = new MadeHistory(null).final({ node: 'node2', timelineId: 2 })
      history.open('a', 1_000).write(1, 5_000, view('node2', 2)).closed(30_000)
      history
        .open('b', 1_000)
        .write(1, askedAt, view(node, timelineId), '0/500', timelineId === 1)
        .closed(30_000)
      return history
    }

    it('is broken by what is asked a moment after an answer from a higher timeline', () => {
      expect(two(5_011).broken()).toEqual(['timeline-falls'])
    })

    it('is kept by what was asked before that answer came', () => {
      expect(two(5_009).broken()).toEqual([])
    })

    it('is broken by another node on the same timeline', () => {
      expect(two(6_000, 'node3', 2).broken()).toContain('timeline-falls')
    })

    it('is kept when an operator overruled the proxy, or it lost its memory, in between', () => {
      expect(two(8_000).operator('proxy-accept', 'node1', 6_000, 6_100).broken()).toEqual([])
      expect(
        two(8_000)
          .fault({ forgets: ['proxy1'] }, 6_000, 6_500)
          .broken(),
      ).toEqual([])
      expect(
        two(8_000)
          .fault({ forgets: ['proxy2'] }, 6_000, 6_500)
          .broken(),
      ).toEqual(['timeline-falls'])
    })
  })

  describe('reader-on-stale', () => {
    const reader = (acceptedAt: number, cut = false): MadeHistory => {
      const history = new MadeHistory().truth('node1', { timelineId: 1 }).accepted('proxy1', acceptedAt, 'node2', 2)
      if (cut) history.fault({ cut: [['proxy1', 'node1']] }, 12_000, 13_000)
      return history.open('r', 14_000, 'read').read('a', 15_000, null, view('node1', 1)).closed(15_100)
    }

    it('is broken by a reader on a primary below the epoch', () => {
      expect(reader(10_000).broken()).toEqual(['reader-on-stale'])
    })

    it('is kept while the proxy cannot have seen it', () => {
      expect(reader(11_500).broken()).toEqual([])
      expect(reader(10_000, true).broken()).toEqual([])
    })

    it('is kept by a reader whose standby was promoted', () => {
      const history = new MadeHistory().accepted('proxy1', 5_000, 'node2', 2)
      history.open('r', 1_000, 'read').read('a', 15_000, null, view('node2', 2)).closed(15_100)
      expect(history.broken()).toEqual([])
    })
  })
})
