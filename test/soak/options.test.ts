import { describe, expect, it } from 'vitest'
import { filesNeeded, readOptions } from './options.ts'

describe('the options of the soak', () => {
  it('are an hour of 500 new sessions a second when nothing is said', () => {
    expect(readOptions([])).toMatchObject({
      idle: 10_000,
      busy: 2_000,
      rate: 500,
      sessions: 1_800_000,
      servers: 'real',
    })
  })

  it('keep all sessions of that hour at another rate, so that it is over sooner', () => {
    expect(readOptions(['--rate', '2000'])).toMatchObject({ rate: 2_000, sessions: 1_800_000 })
  })

  it('count the sessions of so many minutes by the rate', () => {
    expect(readOptions(['--rate', '100', '--minutes', '2'])).toMatchObject({ sessions: 12_000 })
  })

  it('are small with --quick, and what is given counts there too', () => {
    expect(readOptions(['--quick', '--busy', '0'])).toMatchObject({ idle: 1_000, busy: 0, cycles: 3 })
  })

  it.each([
    [['--cycles', '2'], 'too few to compare'],
    [['--idle', 'many'], '--idle: "many" is no whole number'],
    [['--idle', '0'], '--idle: "0" is no whole number from 1 on'],
    [['--phases', 'standing,pasing'], '--phases: "pasing" is none of standing, passing, failover'],
    [['--leak', 'memory'], '--leak: "memory" is none of heap, sockets, timers, files'],
    [['--ide', '5'], "Unknown option '--ide'"],
  ])('that make no sense end the program: %j', (args, words) => {
    expect(() => readOptions(args)).toThrow(words)
  })

  it('need two open files for a session, in one process or in several', () => {
    const options = readOptions(['--rate', '500'])
    expect(filesNeeded(options)).toBe(25_400)
    expect(filesNeeded({ ...options, workers: 2 })).toBe(12_900)
  })
})
