import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { takeSignals } from '../../src/daemon/shutdown.ts'
import { settled } from '../support/fake-clock.ts'

function setUp() {
  const source = new EventEmitter()
  const calls: string[] = []
  const signals = takeSignals(source)
  void signals.stop.then((signal) => calls.push(`stop ${signal}`))
  void signals.hurry.then(() => calls.push('hurry'))
  const send = async (...names: string[]): Promise<void> => {
    for (const name of names) source.emit(name, name)
    await settled()
  }
  const takeReloads = () => signals.onReload(() => calls.push('reload'))
  const listenerCount = () => source.eventNames().reduce((sum, name) => sum + source.listenerCount(name), 0)
  return { calls, signals, send, takeReloads, listenerCount }
}

describe('takeSignals', () => {
  it.each(['SIGTERM', 'SIGINT'])('asks to stop at the first %s', async (signal) => {
    const { calls, send } = setUp()
    await send(signal)

    expect(calls).toEqual([`stop ${signal}`])
  })

  it.each([
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGTERM'],
    ['SIGTERM', 'SIGINT'],
  ])('asks to hurry when %s is followed by %s, and leaves the third to the system', async (first, second) => {
    const { calls, send, takeReloads, listenerCount } = setUp()
    takeReloads()
    await send(first, second)

    expect(calls).toEqual([`stop ${first}`, 'hurry'])
    expect(listenerCount()).toBe(0)
    await send('SIGTERM', 'SIGINT', 'SIGHUP')
    expect(calls.length).toBe(2)
  })

  it('keeps a SIGUSR2 that came early, and gives each one that comes later', async () => {
    const { calls, signals, send } = setUp()
    await send('SIGUSR2')
    signals.onUpgrade(() => calls.push('upgrade'))
    await send('SIGUSR2')

    expect(calls).toEqual(['upgrade', 'upgrade'])
  })

  it('tells whoever asks late of a stop that came early', async () => {
    const { signals, send } = setUp()
    await send('SIGTERM', 'SIGINT')

    expect(await signals.stop).toBe('SIGTERM')
    await signals.hurry
  })

  it('reloads at every SIGHUP, also while it drains', async () => {
    const { calls, send, takeReloads } = setUp()
    takeReloads()
    await send('SIGHUP', 'SIGHUP')
    await send('SIGTERM')
    await send('SIGHUP')

    expect(calls).toEqual(['reload', 'reload', 'stop SIGTERM', 'reload'])
  })

  it('keeps a SIGHUP until there is something to reload, and reloads once for all that came', async () => {
    const { calls, send, takeReloads } = setUp()
    await send('SIGHUP', 'SIGHUP')
    expect(calls).toEqual([])
    takeReloads()

    expect(calls).toEqual(['reload'])
    await send('SIGHUP')
    expect(calls).toEqual(['reload', 'reload'])
  })

  it('listens no more once released', async () => {
    const { calls, signals, send, takeReloads, listenerCount } = setUp()
    takeReloads()
    signals.release()
    await send('SIGTERM', 'SIGHUP')

    expect([calls.length, listenerCount()]).toEqual([0, 0])
  })
})
