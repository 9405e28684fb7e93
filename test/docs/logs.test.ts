/** docs/logs.md has every message of the program, with its levels, and none that the program does not write. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { messagesIn, readLogMessages } from './log-messages.ts'

const PAGE = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'logs.md'), 'utf8')
const ROW = /^\| `((?:[^`\\]|\\`|\\)+)` \| (.+?) \| (.*?) ?\| (.+?) \|$/gm

const messages = readLogMessages()
const rows = [...PAGE.matchAll(ROW)].map(([, text = '', level = '', , remedy = '']) => {
  return { text: text.replaceAll('\\`', '`'), level, remedy }
})

describe('docs/logs.md', () => {
  it('has every message once, and no other', () => {
    const written = [...new Set(messages.map(({ text }) => text))].sort()

    expect(written.length).toBeGreaterThan(60)
    expect(rows.map(({ text }) => text).sort()).toEqual(written)
  })

  it('names every level that a message has in the source', () => {
    const missing = messages.filter(({ text, level }) => {
      const row = rows.find((each) => each.text === text)
      return level !== null && text !== 'more sessions ended' && row?.level.includes(level) === false
    })

    expect(missing).toEqual([])
  })

  it('says of each message what to do', () => {
    expect(rows.filter(({ remedy }) => remedy.trim() === '')).toEqual([])
  })
})

describe('the messages of the program', () => {
  it('are constant: what is special is in fields', () => {
    expect(messages.filter(({ text }) => text.includes('${'))).toEqual([])
  })

  it('are found with levels of all kinds, in calls of all shapes', () => {
    const source = `
      logger.info({ a: f(1, 'x') }, 'one')
      this.#logger[isBad ? 'warn' : 'info'](
        { text: 'not, this' },
        many ? 'two' : 'three',
      )
      options.logger[LEVELS[kind]]({}, 'it\\'s four')`

    expect(messagesIn(source, 'a.ts').map(({ text, level }) => [text, level])).toEqual([
      ['one', 'info'],
      ['two', null],
      ['three', null],
      ["it\\'s four", null],
    ])
  })

  it('that are no literal are an error', () => {
    expect(() => messagesIn('logger.info({}, text)', 'a.ts')).toThrow('a.ts')
  })
})
