/**
 * Sessions and held sessions over the last 15 minutes, with the times without a primary as bands and its changes as
 * lines. Part of the live page. It draws what it was told; a second that nobody has told of is a gap.
 */
import { byId, setText, svg } from './elements.js'
import { count, figure, timeOfDay } from './words.js'

/** @import { History, SecondSample, StateChange } from '../observability/session-history.ts' */
/** @import { Status } from '../observability/status.ts' */

const WINDOW_SECONDS = 900
/** What is shown: the shortest of these that has all that is known, and the pause between two times on its axis. */
const WINDOWS = [
  { seconds: 120, tickSeconds: 30, title: 'Last 2 minutes' },
  { seconds: 300, tickSeconds: 60, title: 'Last 5 minutes' },
  { seconds: WINDOW_SECONDS, tickSeconds: 300, title: 'Last 15 minutes' },
]
/** Heights of the two plots, and what stands above and between them. */
const SESSIONS = { top: 22, height: 110 }
const HELD = { top: 158, height: 52 }
const HEIGHT = 232
const RIGHT = 44
/** What an arrow key moves by, as a part of the window. */
const KEY_STEP = 1 / 120

export class Plots {
  /** @type {Map<number, SecondSample>} */
  #samples = new Map()
  /** @type {StateChange[]} */
  #changes = []
  /** The second under the pointer, as a part of the window's width; `null`: none. */
  #pointer = /** @type {number | null} */ (null)
  #now

  /** @param {() => number} now milliseconds since 1970, on the proxy's clock */
  constructor(now) {
    this.#now = now
  }

  /** Draws anew when the window changes, and says what is under the pointer. */
  watch() {
    const plots = byId('plots')
    plots.tabIndex = 0
    plots.setAttribute('role', 'group')
    plots.setAttribute('aria-label', 'Sessions over time: the arrow keys move through it')
    plots.setAttribute('aria-describedby', 'readout')
    new ResizeObserver(() => this.#draw()).observe(plots)
    plots.addEventListener('pointermove', ({ clientX }) => {
      const { left, width } = plots.getBoundingClientRect()
      this.#point(Math.min(1, Math.max(0, (clientX - left) / (width - RIGHT))))
    })
    plots.addEventListener('pointerleave', () => this.#point(null))
    plots.addEventListener('blur', () => this.#point(null))
    plots.addEventListener('keydown', ({ key }) => {
      const step = { ArrowLeft: -KEY_STEP, ArrowRight: KEY_STEP }[key]
      if (step !== undefined) this.#point(Math.min(1, Math.max(0, (this.#pointer ?? 1) + step)))
      if (key === 'Escape') this.#point(null)
    })
  }

  /** @param {number | null} pointer */
  #point(pointer) {
    this.#pointer = pointer
    this.#draw()
  }

  /** @param {History} history */
  takeHistory({ samples, changes }) {
    for (const sample of samples) this.#samples.set(sample[0], sample)
    const first = changes[0]?.at ?? Number.POSITIVE_INFINITY
    this.#changes = [...this.#changes.filter(({ at }) => at < first), ...changes]
    this.#draw()
  }

  /** @param {SecondSample} sample */
  takeSecond(sample) {
    this.#samples.set(sample[0], sample)
    for (const second of this.#samples.keys()) {
      if (second >= sample[0] - WINDOW_SECONDS) break
      this.#samples.delete(second)
    }
    this.#draw()
  }

  /**
   * @param {Status} status
   * @param {number} now
   */
  takeState({ state, primary }, now) {
    const last = this.#changes.at(-1)
    if (last?.state === state && last.primary === primary) return
    const from = this.#changes.findLastIndex(({ at }) => at < now - WINDOW_SECONDS * 1_000)
    this.#changes = [...this.#changes.slice(Math.max(0, from)), { at: now, state, primary }]
  }

  #draw() {
    const plots = byId('plots')
    const width = Math.max(0, plots.clientWidth - RIGHT)
    const now = this.#now()
    const end = Math.floor(now / 1_000)
    const known = [...this.#samples.values()].filter(([second]) => second > end - WINDOW_SECONDS && second <= end)
    const knownSeconds = end - (known[0]?.[0] ?? end)
    const shown = WINDOWS.find(({ seconds }) => seconds >= knownSeconds) ?? WINDOWS[2]
    const { seconds, tickSeconds, title } = /** @type {typeof WINDOWS[number]} */ (shown)
    const begin = end - seconds
    const samples = known.filter(([second]) => second > begin)
    const x = (/** @type {number} */ second) => ((second - begin) / seconds) * width
    const sessionsMax = niceMax(samples.map(([, active]) => active))
    const heldMax = niceMax(samples.map(([, , held]) => held))
    const pointed = this.#pointer === null ? null : begin + Math.round(this.#pointer * seconds)
    setText(byId('plots-title'), title)
    plots.replaceChildren(
      svg(
        'svg',
        { width: width + RIGHT, height: HEIGHT, role: 'img', 'aria-label': summary(samples) },
        ...bands(this.#changes, begin, end, x),
        ...ticks(begin, end, tickSeconds, x),
        ...axis(SESSIONS, 'sessions', sessionsMax, width),
        ...axis(HELD, 'held', heldMax, width),
        ...curve(
          'sessions',
          SESSIONS,
          samples.map(([second, active]) => [second + 0.5, active]),
          sessionsMax,
          x,
        ),
        ...curve(
          'held',
          HELD,
          samples.map(([second, , held]) => [second + 0.5, held]),
          heldMax,
          x,
        ),
        ...marks(this.#changes, begin, x, width),
        ...(pointed === null ? [] : [pointer(x(pointed))]),
      ),
    )
    setText(byId('readout'), pointed === null ? '' : this.#describe(pointed, now))
  }

  /**
   * @param {number} second
   * @param {number} now
   */
  #describe(second, now) {
    const sample = this.#samples.get(second)
    const words = sample === undefined ? 'not known' : `${count(sample[1], 'session')} · ${figure(sample[2])} held`
    return `${timeOfDay(second * 1_000, now)} · ${words}`
  }
}

/** @param {number} x */
function pointer(x) {
  return svg('path', { class: 'pointer', d: `M${x} ${SESSIONS.top}V${HELD.top + HELD.height}` })
}

/** @param {readonly SecondSample[]} samples */
function summary(samples) {
  const last = samples.at(-1)
  const peak = (/** @type {1 | 2} */ index) => Math.max(0, ...samples.map((sample) => sample[index]))
  return `${count(last?.[1] ?? 0, 'session')} now, at most ${peak(1)} in this time; ${last?.[2] ?? 0} held now, at most ${peak(2)}`
}

/**
 * The next of 4, 10, 20, 50, 100 … so that the scale seldom changes.
 * @param {readonly number[]} values
 */
function niceMax(values) {
  const max = Math.max(4, ...values)
  if (max <= 4) return 4
  const power = 10 ** Math.floor(Math.log10(max))
  return ([1, 2, 5, 10].find((factor) => factor * power >= max) ?? 10) * power
}

/**
 * @param {{ readonly top: number, readonly height: number }} plot
 * @param {string} name
 * @param {number} max
 * @param {number} width
 */
function axis({ top, height }, name, max, width) {
  const bottom = top + height
  return [
    svg('path', { class: 'grid', d: `M0 ${top}H${width}` }),
    svg('path', { class: 'base', d: `M0 ${bottom}H${width}` }),
    svg('text', { x: 0, y: top - 6 }, name),
    svg('text', { x: width + 6, y: top + 4 }, figure(max)),
    svg('text', { x: width + 6, y: bottom + 1 }, '0'),
  ]
}

/**
 * A line with the area below it, broken where seconds are missing.
 * @param {string} name
 * @param {{ readonly top: number, readonly height: number }} plot
 * @param {readonly (readonly [number, number])[]} points second and value, in order
 * @param {number} max
 * @param {(second: number) => number} x
 */
function curve(name, { top, height }, points, max, x) {
  const bottom = top + height
  let [line, area] = ['', '']
  let [before, start] = [Number.NaN, 0]
  for (const [second, value] of points) {
    const at = `${x(second).toFixed(1)} ${(bottom - (value / max) * height).toFixed(1)}`
    // A look that came a moment late leaves one second out.
    const isNext = second - before <= 2
    if (!isNext && line !== '') area += `V${bottom}H${start}z`
    if (!isNext) start = Number(x(second).toFixed(1))
    line += isNext ? `L${at}` : `M${at}`
    area += isNext ? `L${at}` : `M${start} ${bottom}L${at}`
    before = second
  }
  // Nothing the whole time is no line, but the axis.
  if (points.every(([, value]) => value === 0)) return []
  return [
    svg('path', { class: `area ${name}`, d: `${area}V${bottom}z` }),
    svg('path', { class: `line ${name}`, d: line }),
  ]
}

/**
 * Times in which there was no primary.
 * @param {readonly StateChange[]} changes
 * @param {number} begin
 * @param {number} end
 * @param {(second: number) => number} x
 */
function bands(changes, begin, end, x) {
  return changes.flatMap(({ at, primary }, index) => {
    const until = (changes[index + 1]?.at ?? end * 1_000) / 1_000
    if (primary !== null || until < begin) return []
    const left = x(Math.max(begin, at / 1_000))
    const [y, height] = [SESSIONS.top, HELD.top + HELD.height - SESSIONS.top]
    return [svg('rect', { class: 'band', x: left, y, width: Math.max(2, x(until) - left), height })]
  })
}

/** Room for a name, in pixels. */
const NAME_WIDTH = 90

/**
 * Where another node than before became the primary, with its name where there is room for it.
 * @param {readonly StateChange[]} changes
 * @param {number} begin
 * @param {(second: number) => number} x
 * @param {number} width
 */
function marks(changes, begin, x, width) {
  const named = changes.filter(({ primary }) => primary !== null)
  const handovers = named.filter(({ at, primary }, index) => {
    return index > 0 && primary !== named[index - 1]?.primary && at / 1_000 >= begin
  })
  return handovers.flatMap(({ at, primary }, index) => {
    const left = x(at / 1_000)
    const next = handovers[index + 1]
    const isAtEnd = left > width - NAME_WIDTH
    const hasRoom = next === undefined || x(next.at / 1_000) - left > NAME_WIDTH * (isAtEnd ? 0 : 2)
    const line = svg('path', { class: 'mark', d: `M${left} ${SESSIONS.top - 16}V${HELD.top + HELD.height}` })
    if (!hasRoom) return [line]
    const place = { x: left + (isAtEnd ? -5 : 5), y: SESSIONS.top - 6, 'text-anchor': isAtEnd ? 'end' : 'start' }
    return [line, svg('text', { class: 'mark', ...place }, `→ ${primary}`)]
  })
}

/**
 * @param {number} begin
 * @param {number} end
 * @param {number} stepSeconds
 * @param {(second: number) => number} x
 */
function ticks(begin, end, stepSeconds, x) {
  const first = Math.ceil(begin / stepSeconds) * stepSeconds
  const bottom = HELD.top + HELD.height
  return Array.from({ length: Math.floor((end - first) / stepSeconds) + 1 }, (_, index) => {
    const second = first + index * stepSeconds
    const label = new Date(second * 1_000).toISOString().slice(11, stepSeconds < 60 ? 19 : 16)
    const isAtEdge = x(second) < 28
    return svg(
      'g',
      {},
      svg('path', { class: 'grid', d: `M${x(second)} ${bottom}v4` }),
      svg('text', { x: x(second), y: bottom + 17, 'text-anchor': isAtEdge ? 'start' : 'middle' }, label),
    )
  })
}
