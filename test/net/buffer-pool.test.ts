import { describe, expect, it } from 'vitest'
import { BufferPool } from '../../src/net/buffer-pool.ts'

describe('a buffer pool', () => {
  it('gives a buffer that was given back before it makes another', () => {
    const pool = new BufferPool({ bufferBytes: 100, keptMax: 1 })
    const first = pool.take() as Buffer
    expect(first.length).toBe(100)
    const second = pool.take()
    expect(second).not.toBe(first)
    pool.giveBack(first)
    expect(pool.take()).toBe(first)
  })

  it('keeps no more than it may', () => {
    const pool = new BufferPool({ bufferBytes: 100, keptMax: 1 })
    const [first, second] = [pool.take() as Buffer, pool.take() as Buffer]
    pool.giveBack(first)
    pool.giveBack(second)
    expect(pool.take()).toBe(first)
    expect(pool.take()).not.toBe(second)
  })

  it('refuses when as many as there may be are in use, until one is back or given up', () => {
    const pool = new BufferPool({ bufferBytes: 100, keptMax: 2, usedMax: 2 })
    const first = pool.take() as Buffer
    pool.take()
    expect(pool.take()).toBeNull()
    pool.giveBack(first)
    expect(pool.take()).toBe(first)
    pool.abandon()
    expect(pool.take()).not.toBeNull()
    expect(pool.take()).toBeNull()
  })
})
