import { describe, expect, it } from 'vitest'
import { main } from '../../../src/cli/main.ts'
import { readObserving } from '../../../src/cli/observe/observing-options.ts'
import { fakeTerminal } from '../fake-terminal.ts'

describe('--observe', () => {
  it('reads its time and what to compare with', () => {
    expect(readObserving({})).toBeNull()
    expect(readObserving({ observe: true })).toEqual({ forMs: null, compareWith: null, json: false })
    expect(readObserving({ observe: true, for: '24h', compare: 'pg:6432', json: true })).toEqual({
      forMs: 86_400_000,
      compareWith: { host: 'pg', port: 6432 },
      json: true,
    })
  })

  it.each([
    ['--json goes with --observe', ['--json']],
    ['--for goes with --observe', ['--for', '1h']],
    ['--compare goes with --observe', ['--compare', 'pg:5432']],
    ['--for "1"', ['--observe', '--for', '1']],
    ['--for "600h"', ['--observe', '--for', '600h']],
    ['--compare "pg:x"', ['--observe', '--compare', 'pg:x']],
  ])('says %s when it cannot be, before anything is started, and ends with 2', async (words, args) => {
    const terminal = fakeTerminal()
    const code = await main(['--config', '/nowhere/ha.yaml', ...args], terminal)

    expect(code).toBe(2)
    expect(terminal.stderr()).toContain(words)
  })
})
