import { describe, expect, it } from 'vitest'
import { ADMIN_SHUTDOWN, MadeHistory, told, view } from './made-history.ts'

describe('the rules of endings', () => {
  describe('ended-on-proof', () => {
    const kept = (closedAt: number): MadeHistory => {
      const history = new MadeHistory().accepted('proxy1', 10_000, 'node2', 2)
      return history.open('a', 1_000).write(1, 2_000).closed(closedAt, 'other', ADMIN_SHUTDOWN)
    }

    it('is broken by a session that is still there when the bound is over', () => {
      expect(kept(11_600).broken()).toEqual(['ended-on-proof'])
    })

    it('is kept by a session that ends within the bound', () => {
      expect(kept(11_400).broken()).toEqual([])
    })

    it('is broken by a session that never ends', () => {
      const history = new MadeHistory().accepted('proxy1', 10_000, 'node2', 2).phase('finished', 20_000)
      history.open('a', 1_000).write(1, 2_000)
      expect(history.broken()).toEqual(['ended-on-proof'])
    })

    it('is kept when the proxy stood still, or its client could not be told', () => {
      expect(
        kept(14_000)
          .fault({ frozen: ['proxy1'] }, 10_100, 13_000)
          .broken(),
      ).toEqual([])
      expect(
        kept(14_000)
          .fault({ cut: [['proxy1', 'clients']] }, 10_100, 13_000)
          .broken(),
      ).toEqual([])
      expect(
        kept(14_000)
          .fault({ cut: [['proxy2', 'clients']] }, 10_100, 13_000)
          .broken(),
      ).toEqual(['ended-on-proof'])
    })

    it('is broken, whatever the log says, when the successor was in plain sight for the bound before', () => {
      const seen = (evidenceFrom: number): MadeHistory => {
        const history = new MadeHistory(null).truth('node1', { timelineId: 1 })
        history.truth('node2', { timelineId: 2, from: evidenceFrom })
        return history.open('a', 1_000).write(1, 2_000).closed(20_000)
      }
      expect(seen(14_000).broken()).toEqual(['ended-on-proof'])
      expect(seen(15_000).broken()).toEqual([])
    })
  })

  describe('ended-without-proof', () => {
    const ended = (error = ADMIN_SHUTDOWN): MadeHistory => {
      const history = new MadeHistory().truth('node1', { timelineId: 1 }).standby('node2')
      return history.open('a', 1_000).write(1, 2_000).closed(20_000, 'other', error)
    }

    it('is broken by a session that ends though nothing has happened', () => {
      expect(ended().broken()).toEqual(['ended-without-proof'])
    })

    it.each([
      { why: 'its node is frozen', effect: { frozen: ['node1'] } },
      { why: 'its proxy is frozen', effect: { frozen: ['proxy1'] } },
      {
        why: 'its node is cut off from the proxy',
        effect: {
          cut: [
            ['node1', 'proxy1'],
            ['proxy1', 'node1'],
          ],
        },
      },
      { why: 'the way to its node is slow', effect: { impaired: [['node1', 'proxy1']] } },
      { why: 'packets to its clients are late', effect: { impaired: [['proxy1', 'clients']] } },
      { why: 'names do not resolve', effect: { nameless: ['proxy1'] } },
      { why: 'the disk is full', effect: { diskFull: ['proxy1'] } },
      { why: 'the clock was stepped', effect: { stepped: ['proxy1'] } },
      { why: 'another server is killed', effect: { down: ['node2'] } },
      { why: 'the other proxy is killed', effect: { down: ['proxy2'], sessionsLost: ['proxy2'] } },
    ] as const)('is broken by a session that ends while no more happens than that $why', ({ effect }) => {
      expect(ended().fault(effect, 15_000, 21_000).broken()).toEqual(['ended-without-proof'])
    })

    it.each([
      { why: 'its server is killed', effect: { down: ['node1'] } },
      { why: 'its proxy is killed', effect: { sessionsLost: ['proxy1'] } },
      { why: 'the client cannot reach the proxy', effect: { cut: [['clients', 'proxy1']] } },
    ] as const)('is kept when $why', ({ effect }) => {
      expect(ended(told('08006', 'server closed the connection unexpectedly')).fault(effect, 15_000).broken()).toEqual(
        [],
      )
    })

    it('is kept when another primary was accepted, and when an operator stopped the server', () => {
      expect(ended().accepted('proxy1', 19_500, 'node2', 2).broken()).toEqual([])
      expect(ended().operator('stop', 'node1', 19_000, 19_900).broken()).toEqual([])
      expect(ended().operator('stop', 'node2', 19_000, 19_900).broken()).toEqual(['ended-without-proof'])
      expect(ended().accepted('proxy2', 19_500, 'node2', 2).broken()).toEqual(['ended-without-proof'])
    })

    it('is kept when the server was started anew, by whomever', () => {
      const history = new MadeHistory()
        .truth('node1', { timelineId: 1, to: 10_000 })
        .truth('node1', { timelineId: 1, from: 21_000, run: 2 })
      history.open('a', 1_000).write(1, 2_000).closed(20_000, 'other', ADMIN_SHUTDOWN)
      expect(history.broken()).toEqual([])
    })

    it('is kept when the way to the server was gone for longer than TCP waits', () => {
      const cut = { cut: [['node1', 'proxy1']] } as const
      const history = new MadeHistory().truth('node1', { timelineId: 1, to: 100_000 })
      history
        .open('a', 1_000)
        .write(1, 2_000)
        .closed(80_000, 'other', told('08006', 'server closed the connection unexpectedly'))
      expect(history.fault(cut, 20_000, 81_000).broken()).toEqual([])
    })

    it('is kept by a reader on a standby that was promoted without being accepted', () => {
      const history = new MadeHistory().truth('node2', { timelineId: 2, from: 10_000 })
      history.open('r', 1_000, 'read').read('a', 2_000, null).closed(12_000, 'other', ADMIN_SHUTDOWN)
      expect(history.broken()).toEqual([])
    })
  })

  describe('liveness of operations', () => {
    const stalled = (): MadeHistory => {
      const history = new MadeHistory().truth('node1', { timelineId: 1 })
      history
        .open('a', 1_000)
        .write(1, 2_000)
        .fails(2, 10_000, told('GAVE-UP', 'no answer'), 'failed', 10_000)
        .closed(20_000)
      return history
    }

    it('is broken by an operation without an answer when nothing lay in its way', () => {
      expect(stalled().broken()).toEqual(['liveness'])
    })

    it('is kept when its node or its proxy stood still', () => {
      expect(
        stalled()
          .fault({ frozen: ['node1'] }, 9_000, 19_000)
          .broken(),
      ).toEqual([])
      expect(
        stalled()
          .fault({ frozen: ['proxy1'] }, 9_000, 19_000)
          .broken(),
      ).toEqual([])
      expect(
        stalled()
          .fault({ frozen: ['node2'] }, 9_000, 19_000)
          .broken(),
      ).toEqual(['liveness'])
    })
  })

  it('look at sessions of several nodes by their first answer', () => {
    const history = new MadeHistory().accepted('proxy1', 10_000, 'node2', 2).final({ node: 'node2', timelineId: 2 })
    history.open('a', 10_100).write(1, 10_200, view('node2', 2)).closed(40_000)
    expect(history.broken()).toEqual([])
  })
})
