import { describe, expect, it } from 'vitest'
import { main } from '../../src/cli/main.ts'
import { fakeTerminal } from './fake-terminal.ts'

describe('pgha-proxy log-level', () => {
  it.each([
    ['without a level', [], /missing required argument/],
    ['with a level that there is not', ['loud'], /debug/],
    ['for a time without a unit', ['debug', '--for', '10'], /--for "10" is no time/],
    ['for no time', ['debug', '--for', '0s'], /--for "0s" is no time/],
    ['for longer than a day', ['debug', '--for', '25h'], /at most 24h/],
  ])('%s asks nobody, says how it is written, and ends with 2', async (_, args, words) => {
    const terminal = fakeTerminal()
    const code = await main(['log-level', ...args, '--url', 'http://127.0.0.1:1'], terminal)

    expect({ code, stdout: terminal.stdout() }).toEqual({ code: 2, stdout: '' })
    expect(terminal.stderr()).toMatch(words)
  })
})
