import { describe, expect, it } from 'vitest'
import { MadeHistory, told, view } from './made-history.ts'

describe('the rules of answers', () => {
  describe('answer-mixed-up', () => {
    it('is broken by the answer to another question', () => {
      const history = new MadeHistory()
        .open('r', 1_000, 'read')
        .read('a', 2_000, null, view('node2', null), 'r/9').history
      expect(history.broken()).toEqual(['answer-mixed-up'])
    })

    it.each([
      { what: 'another process', server: view('node1', 1, { pid: 8 }) },
      { what: 'another run of the server', server: view('node1', 1, { startedAt: 'node1 run 2' }) },
    ])('is broken by a session that goes on with $what', ({ server }) => {
      const history = new MadeHistory().open('a', 1_000).write(1, 2_000).write(2, 3_000, server).closed(3_100)
      expect(history.broken()).toContain('answer-mixed-up')
    })

    it('is broken by two looks in one snapshot that do not fit', () => {
      const look = (before: number | null, after: number | null, second = view('node1')): MadeHistory => {
        const history = new MadeHistory().open('a', 1_000).write(1, 1_100).write(2, 1_200).closed(1_300)
        return history.open('a', 2_000).twice(3, 3_000, before, after, second).closed(3_100)
      }
      expect(look(2, 3).broken()).toEqual([])
      expect(look(2, 2).broken()).toEqual(['answer-mixed-up'])
      expect(look(2, null).broken()).toEqual(['answer-mixed-up'])
      expect(look(2, 3, view('node1', 1, { pid: 9 })).broken()).toEqual(['answer-mixed-up'])
    })
  })

  describe('read-goes-back', () => {
    const reread = (second: number, server = view('node2', null)): MadeHistory => {
      const history = new MadeHistory().open('a', 500).write(1, 600).write(2, 700).write(3, 800).closed(900)
      history.open('r', 1_000, 'read').read('a', 2_000, 3).closed(2_100)
      return history.open('s', 2_200, 'read').read('a', 2_300, second, server).closed(2_400)
    }

    it('is broken by a server that shows less than it has shown, also to another session', () => {
      expect(reread(2).broken()).toEqual(['read-goes-back'])
      expect(reread(3).broken()).toEqual([])
    })

    it('is kept by another server, or another run of it', () => {
      expect(reread(2, view('node3', null)).broken()).toEqual([])
      expect(reread(2, view('node2', null, { startedAt: 'node2 run 2' })).broken()).toEqual([])
    })

    it('is broken by a primary that does not show what it has acknowledged', () => {
      const history = new MadeHistory()
        .open('a', 500)
        .write(1, 600)
        .write(2, 700, view('node1'), '0/100', false, null)
        .closed(900)
      expect(history.broken()).toEqual(['read-goes-back'])
    })

    it('is kept by answers that overlap', () => {
      const history = new MadeHistory().open('a', 500).write(1, 600).write(2, 700).closed(900)
      history.open('r', 1_000, 'read').read('a', 2_000, 2).closed(2_100)
      history.open('s', 1_000, 'read').read('a', 2_005, 1).closed(2_100)
      expect(history.broken()).toEqual([])
    })
  })

  it('find a reader who sees what nobody has begun to write', () => {
    const history = new MadeHistory().open('a', 500).write(1, 600).closed(900)
    expect(history.open('r', 1_000, 'read').read('a', 1_100, 2).history.broken()).toEqual(['row-of-nobody'])
    const early = new MadeHistory().open('a', 500).write(1, 5_000).closed(9_000)
    expect(early.open('r', 1_000, 'read').read('a', 1_100, 1).history.broken()).toEqual(['row-of-nobody'])
  })

  it('find a reader who sees what was refused, and not what is in doubt', () => {
    const seen = (kind: 'failed' | 'unknown'): MadeHistory => {
      const history = new MadeHistory()
        .truth('node1', { timelineId: 1, to: 1_000 })
        .fault({ down: ['node1'] }, 500, 600)
      const lost = told('08006', 'server closed the connection unexpectedly')
      history.open('a', 500).fails(1, 600, lost, kind).closed(610, 'other', lost)
      return history.open('r', 1_000, 'read').read('a', 1_100, 1).history
    }
    expect(seen('failed').broken()).toEqual(['write-refused-yet-there'])
    expect(seen('unknown').broken()).toEqual([])
  })

  describe('epoch-falls', () => {
    const epochs = (next: readonly [node: string, timelineId: number]): MadeHistory =>
      new MadeHistory({ node: 'node1', timelineId: 3 }).accepted('proxy1', 10_000, ...next)

    it('is broken by an acceptance on the same timeline or a lower one', () => {
      expect(epochs(['node2', 4]).broken()).toEqual([])
      expect(epochs(['node2', 3]).broken()).toEqual(['epoch-falls'])
      expect(epochs(['node2', 2]).broken()).toEqual(['epoch-falls'])
    })

    it('is kept when the proxy has lost its memory, or was overruled', () => {
      expect(
        epochs(['node2', 2])
          .fault({ forgets: ['proxy1'] }, 8_000, 9_000)
          .broken(),
      ).toEqual([])
      expect(epochs(['node2', 2]).operator('proxy-accept', 'node2', 9_900, 10_100).broken()).toEqual([])
      expect(epochs(['node2', 2]).operator('promote', 'node2', 9_900, 10_100).broken()).toEqual(['epoch-falls'])
    })

    it('is broken by a start that finds another epoch than the last one', () => {
      const start = (node: string, timelineId: number): MadeHistory =>
        new MadeHistory({ node: 'node1', timelineId: 3 })
          .started('proxy1', 5_000)
          .restored('proxy1', 5_100, node, timelineId)
      expect(start('node1', 3).broken()).toEqual([])
      expect(start('node1', 2).broken()).toEqual(['epoch-falls'])
      expect(start('node2', 4).broken()).toEqual(['epoch-falls'])
    })

    it('is broken by a start that finds none, and accepts somebody', () => {
      const history = (): MadeHistory =>
        new MadeHistory({ node: 'node1', timelineId: 3 }).started('proxy1', 5_000).accepted('proxy1', 6_000, 'node2', 4)
      expect(history().broken()).toEqual(['epoch-falls'])
      expect(
        history()
          .fault({ forgets: ['proxy1'] }, 4_000, 4_900)
          .broken(),
      ).toEqual([])
      expect(
        history()
          .fault({ forgets: ['proxy2'] }, 4_000, 4_900)
          .broken(),
      ).toEqual(['epoch-falls'])
    })
  })
})
