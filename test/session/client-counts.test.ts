import { describe, expect, it } from 'vitest'
import { ClientCounts } from '../../src/session/client-counts.ts'

describe('ClientCounts', () => {
  it('counts each address by itself, up and down', () => {
    const counts = new ClientCounts()
    for (const client of ['192.0.2.1', '192.0.2.1', '2001:db8::1']) counts.add(client)
    expect([counts.count('192.0.2.1'), counts.count('2001:db8::1'), counts.count('192.0.2.9')]).toEqual([2, 1, 0])
    counts.remove('192.0.2.1')
    counts.remove('2001:db8::1')
    expect([counts.count('192.0.2.1'), counts.count('2001:db8::1')]).toEqual([1, 0])
  })
})
