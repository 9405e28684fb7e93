import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { Screen } from './screen.ts'
import { renderTicker } from './ticker.ts'

/** Something to write to that is a terminal or not, and what was written so far. */
function makeStream(isTTY: boolean, columns: number): { stream: NodeJS.WriteStream; text: () => string } {
  const stream = Object.assign(new PassThrough(), { isTTY, columns })
  return {
    stream: stream as unknown as NodeJS.WriteStream,
    text: () => String(stream.read() ?? ''),
  }
}

const ESCAPE = '\u001b'

describe('Screen', () => {
  it('prints plain lines in the order in which things happened when it is not a terminal', () => {
    const { stream, text } = makeStream(false, 0)
    const screen = new Screen(stream, 1_000, () => 'the ticker')
    screen.isTickerOn = true
    screen.add({ at: 3_500, source: 'proxy', text: 'second' })
    screen.add({ at: 2_250, source: 'cluster', text: 'first' })
    screen.add({ at: 3_600, source: 'step', text: 'A step' })
    screen.print(['The end'])
    screen.close()
    expect(text()).toBe('  1.25  cluster  first\n  2.50  proxy    second\n\nA step\nThe end\n')
  })

  it('redraws one line in place on a terminal, takes it away at the end, and keeps the timeline', () => {
    const { stream, text } = makeStream(true, 100)
    const screen = new Screen(stream, 0, (columns) => `ticker of ${columns}`)
    screen.isTickerOn = true
    screen.print([])
    screen.add({ at: 1_000, source: 'app', text: 'something' })
    screen.close()
    const written = text()
    expect(written).toContain('ticker of 100')
    expect(written).toContain('something\n')
    expect(written.endsWith(`\r${ESCAPE}[2K`)).toBe(true)
  })

  it('continues long lines below their own column', () => {
    const { stream, text } = makeStream(true, 60)
    const screen = new Screen(stream, 0, () => '')
    screen.add({ at: 0, source: 'app', text: 'word '.repeat(16).trim() })
    screen.close()
    expect(text()).toContain(`${'word '.repeat(8).trim()}\n${' '.repeat(17)}${'word '.repeat(8).trim()}\n`)
  })
})

describe('renderTicker', () => {
  const base = { now: 10_000, connectingCount: 2, proxyState: 'serving node2', columns: 200 }

  it('shows the rate of the last half second, the total and how things stand', () => {
    const writeTimes = [100, ...Array.from({ length: 20 }, (_, index) => 9_600 + index * 10)]
    const line = renderTicker({ ...base, writeTimes })
    expect(line).toContain('40 writes/s')
    expect(line).toContain('proxy: serving node2   21 acknowledged   2 connecting')
  })

  it('leaves a gap in the chart where nothing was acknowledged, and a bar for a single write', () => {
    const writeTimes = [8_400, ...Array.from({ length: 50 }, (_, index) => 9_501 + index * 9)]
    expect(renderTicker({ ...base, writeTimes })).toContain('▁  █|')
  })

  it('never wraps', () => {
    expect(renderTicker({ ...base, writeTimes: [9_990], columns: 30 })).toHaveLength(29)
  })
})
