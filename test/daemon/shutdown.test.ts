import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { handleSignals } from '../../src/daemon/shutdown.ts'
import { settled } from '../support/fake-clock.ts'

function setUp() {
  const source = new EventEmitter()
  const calls: string[] = []
  const release = handleSignals(source, {
    onStop: (signal, hurry) => {
      calls.push(`stop ${signal}`)
      void hurry.then(() => calls.push('hurry'))
    },
    onReload: () => calls.push('reload'),
  })
  const send = async (...signals: string[]): Promise<void> => {
    for (const signal of signals) source.emit(signal, signal)
    await settled()
  }
  const listenerCount = () => source.eventNames().reduce((sum, name) => sum + source.listenerCount(name), 0)
  return { calls, release, send, listenerCount }
}

describe('handleSignals', () => {
  it.each(['SIGTERM', 'SIGINT'])('begins to stop at the first %s', async (signal) => {
    const { calls, send } = setUp()
    await send(signal)

    expect(calls).toEqual([`stop ${signal}`])
  })

  it.each([
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGTERM'],
    ['SIGTERM', 'SIGINT'],
  ])('hurries when %s is followed by %s, and leaves the third to the system', async (first, second) => {
    const { calls, send, listenerCount } = setUp()
    await send(first, second)

    expect(calls).toEqual([`stop ${first}`, 'hurry'])
    expect(listenerCount()).toBe(0)
    await send('SIGTERM', 'SIGINT', 'SIGHUP')
    expect(calls.length).toBe(2)
  })

  it('reloads at every SIGHUP, also while it drains', async () => {
    const { calls, send } = setUp()
    await send('SIGHUP', 'SIGHUP', 'SIGTERM', 'SIGHUP')

    expect(calls).toEqual(['reload', 'reload', 'stop SIGTERM', 'reload'])
  })

  it('listens no more once released', async () => {
    const { calls, release, send, listenerCount } = setUp()
    release()
    await send('SIGTERM', 'SIGHUP')

    expect([calls.length, listenerCount()]).toEqual([0, 0])
  })
})
