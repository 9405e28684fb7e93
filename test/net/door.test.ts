import { describe, expect, it } from 'vitest'
import { Door } from '../../src/net/door.ts'
import type { SessionRegistry } from '../../src/net/session-registry.ts'

function setUp() {
  const told: string[] = []
  const state = { descriptorCount: 0, turnedAway: 0 }
  const registry = {
    get descriptorCount() {
      return state.descriptorCount
    },
    turnAway: () => {
      state.turnedAway += 1
    },
  } as unknown as SessionRegistry
  const door = new Door({
    registry,
    budget: () => ({ sessionsMax: 4, shutsAt: 10, opensAt: 8 }),
    onShut: (count) => told.push(`shut at ${count}`),
    onOpened: (count) => told.push(`opened after ${count}`),
  })
  const knock = (descriptorCount: number): boolean => {
    state.descriptorCount = descriptorCount
    return door.admits({ remoteAddress: '192.0.2.1', localAddress: '192.0.2.2' })
  }
  return { door, knock, told, state }
}

describe('a door', () => {
  it('turns everybody away from its mark on, and tells of it once', () => {
    const { knock, told, state } = setUp()
    expect([knock(0), knock(9), knock(10), knock(11), knock(10)]).toEqual([true, true, false, false, false])
    expect(told).toEqual(['shut at 10'])
    expect(state.turnedAway).toBe(3)
  })

  it('lets nobody in who is gone already, whose address cannot be known, and takes no note of it', () => {
    const { door, told, state } = setUp()
    expect(door.admits({ remoteAddress: undefined, localAddress: '192.0.2.2' })).toBe(false)
    expect([state.turnedAway, told]).toEqual([1, []])
    // A Unix socket has neither.
    expect(door.admits({ remoteAddress: undefined, localAddress: undefined })).toBe(true)
  })

  it('opens only when there is some room, and tells how many it has turned away', () => {
    const { knock, told } = setUp()
    expect([knock(10), knock(9), knock(8), knock(7), knock(9)]).toEqual([false, false, false, true, true])
    expect(told).toEqual(['shut at 10', 'opened after 3'])
    expect([knock(10), knock(7)]).toEqual([false, true])
    expect(told.slice(2)).toEqual(['shut at 10', 'opened after 1'])
  })
})
