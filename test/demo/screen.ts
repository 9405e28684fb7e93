/**
 * Where the demo tells its story: a timeline of lines that stay, and on a terminal one line below it that is redrawn in
 * place. Elsewhere plain lines, without cursor tricks or colour. Effect layer of the demo.
 */
import type { WriteStream } from 'node:tty'
import { styleText } from 'node:util'

/** Who has something to say. `step` is a headline. */
export type Source = 'app' | 'proxy' | 'cluster' | 'step'

/** One line of the timeline. */
export interface TimelineEntry {
  /** By `performance.now()`. */
  readonly at: number
  readonly source: Source
  readonly text: string
  readonly isAside?: boolean
}

const COLORS = { app: 'green', proxy: 'cyan', cluster: 'yellow', step: 'bold' } as const

/** Reports of one moment come by several ways; this long they wait for each other, to be shown in order. */
const ORDER_MS = 350

const REDRAW_MS = 125

const ERASE_LINE = '\r\u001b[2K'

/** Time and source take this much of each line. */
const INDENT = 17

export class Screen {
  readonly #stream: WriteStream
  readonly #startedAt: number
  readonly #isTerminal: boolean
  readonly #ticker: (columns: number) => string
  readonly #timer: NodeJS.Timeout
  #waiting: TimelineEntry[] = []
  #isTickerOn = false

  /** Writes to `stream` until `close`. `ticker` gives the line to redraw, and is asked only on a terminal. */
  constructor(stream: NodeJS.WriteStream, startedAt: number, ticker: (columns: number) => string) {
    this.#stream = stream
    this.#startedAt = startedAt
    this.#isTerminal = stream.isTTY === true
    this.#ticker = ticker
    this.#timer = setInterval(() => this.#draw(performance.now() - ORDER_MS), REDRAW_MS)
    this.#timer.unref()
  }

  /** Whether the line below the timeline is shown. Off at first. */
  set isTickerOn(value: boolean) {
    this.#isTickerOn = value && this.#isTerminal
  }

  add(entry: TimelineEntry): void {
    this.#waiting.push(entry)
  }

  /** Lines outside the timeline, after all that was added so far. */
  print(lines: readonly string[]): void {
    this.#draw(Number.POSITIVE_INFINITY)
    this.#write(`${this.#erase()}${lines.map((line) => `${line}\n`).join('')}`)
  }

  /** The text in this style where the stream shows colour. */
  paint(style: Parameters<typeof styleText>[0], text: string): string {
    return styleText(style, text, { stream: this.#stream })
  }

  /** Shows what still waits, and takes the last line away. May be called again. */
  close(): void {
    clearInterval(this.#timer)
    this.isTickerOn = false
    this.#draw(Number.POSITIVE_INFINITY)
    if (this.#isTerminal) this.#write(ERASE_LINE)
  }

  #draw(upTo: number): void {
    const due = this.#waiting.filter(({ at }) => at <= upTo).sort((a, b) => a.at - b.at)
    this.#waiting = this.#waiting.filter(({ at }) => at > upTo)
    const ticker = this.#isTickerOn ? this.paint('dim', this.#ticker(this.#columns)) : ''
    if (due.length === 0 && ticker === '') return
    const lines = due.map((entry) => `${this.#format(entry)}\n`).join('')
    // In one write, so that nothing is ever seen half drawn.
    this.#write(`${this.#erase()}${lines}${ticker}`)
  }

  /** A terminal that does not know its size says 0. */
  get #columns(): number {
    return this.#stream.columns || 80
  }

  #erase(): string {
    return this.#isTerminal ? ERASE_LINE : ''
  }

  #format({ at, source, text, isAside = false }: TimelineEntry): string {
    if (source === 'step') return `\n${this.paint('bold', text)}`
    const time = ((at - this.#startedAt) / 1000).toFixed(2).padStart(6)
    const label = this.paint(COLORS[source], source.padEnd(INDENT - 10))
    const body = this.#wrap(text)
    return `${time}  ${label}  ${isAside ? this.paint('dim', body) : body}`
  }

  /** Continues long lines below their own column. */
  #wrap(text: string): string {
    const width = this.#isTerminal ? this.#columns - INDENT - 1 : Number.POSITIVE_INFINITY
    if (width < 30 || text.length <= width) return text
    const lines: string[] = []
    for (const word of text.split(' ')) {
      const last = lines.at(-1)
      if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
      else lines.push(word)
    }
    return lines.join(`\n${' '.repeat(INDENT)}`)
  }

  #write(text: string): void {
    if (text !== '' && this.#stream.writable) this.#stream.write(text)
  }
}
