import { describe, expect, it } from 'vitest'
import { bequeath, type Inheritance, inheritedSystemd, takeInheritance } from '../../src/daemon/inheritance.ts'
import { StartError } from '../../src/daemon/start-error.ts'

const LEFT: Inheritance = {
  pid: 42,
  version: '1.2.3',
  startedAt: '2026-01-01T00:00:00.000Z',
  listeners: [
    { address: '0.0.0.0:5432', fd: 20 },
    { address: 'unix:/run/pg', fd: 31 },
  ],
  passed: [{ name: 'pg', fd: 4 }],
  admin: { address: '127.0.0.1:8432', fd: 22 },
  notifySocket: '/run/notify',
  watchdogMs: 30_000,
  state: {
    epoch: { systemIdentifier: '7', timelineId: 3, node: 'node2', at: '2026-01-01T00:00:00.000Z' },
    fenced: ['node1'],
  },
}

describe('what a process leaves', () => {
  it('is read by its heir under the numbers that it has there, once', () => {
    const { environment, stdio } = bequeath(LEFT)
    expect(stdio).toEqual(['inherit', 'inherit', 'inherit', 'pipe', 20, 31, 4, 22, 'ipc'])
    const variables: Record<string, string | undefined> = { ...environment, HOME: '/' }
    expect(takeInheritance(variables)).toEqual({
      ...LEFT,
      listeners: [
        { address: '0.0.0.0:5432', fd: 4 },
        { address: 'unix:/run/pg', fd: 5 },
      ],
      passed: [{ name: 'pg', fd: 6 }],
      admin: { address: '127.0.0.1:8432', fd: 7 },
    })
    expect(variables).toEqual({ HOME: '/' })
    expect(takeInheritance(variables)).toBeNull()
  })

  it('has what systemd has said, as if it had been said to the heir', () => {
    expect(inheritedSystemd(LEFT)).toEqual({
      notifySocket: '/run/notify',
      watchdogMs: 30_000,
      sockets: [{ name: 'pg', fd: 4 }],
      socketsOfPid: null,
    })
  })

  it.each(['', 'no JSON', '{}', '{"format":2}'])('is refused when it cannot be understood: %j', (text) => {
    const [name = ''] = Object.keys(bequeath(LEFT).environment)
    expect(() => takeInheritance({ [name]: text })).toThrow(StartError)
  })
})
