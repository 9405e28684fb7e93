/**
 * Draws lines over time, or dots, as an SVG that can be read on light and on dark pages. Pure, and no more than the pages
 * of this project need: one axis each way, a legend, bands behind the lines.
 */

/** A line; `null` where nothing was measured. */
export interface Series {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number | null])[]
  /** A dot at each point, for values that are few. */
  readonly dots?: boolean
}

export interface Plot {
  readonly title: string
  /** What stands below the axis, such as `seconds`. */
  readonly xName: string
  readonly yName: string
  readonly series: readonly Series[]
  /** Stretches of the x axis that are shaded, with a word for the legend. */
  readonly bands?: { readonly name: string; readonly stretches: readonly (readonly [from: number, to: number])[] }
  /** Default 0. */
  readonly yMin?: number
}

const WIDTH = 800
const HEIGHT = 280
const FRAME = { left: 64, right: 16, top: 56, bottom: 40 }
const INNER = { width: WIDTH - FRAME.left - FRAME.right, height: HEIGHT - FRAME.top - FRAME.bottom }
const TICKS = { x: 10, y: 5 }
/** More points than pixels are drawn by the highest of each pixel: a peak must not disappear. */
const POINTS_MAX = INNER.width

/** Blue, orange, green, purple: told apart also by those who do not see red and green. */
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .title { font-size: 14px; font-weight: 600; fill: #24292f }
  .back { fill: #ffffff } .grid { stroke: #d0d7de } .band { fill: #57606a; opacity: .12 }
  .line { fill: none; stroke-width: 1.5; stroke-linejoin: round }
  .s0 { stroke: #0969da } .s1 { stroke: #bc4c00 } .s2 { stroke: #1a7f37 } .s3 { stroke: #8250df }
  .f0 { fill: #0969da } .f1 { fill: #bc4c00 } .f2 { fill: #1a7f37 } .f3 { fill: #8250df }
  @media (prefers-color-scheme: dark) {
    text { fill: #8d96a0 } .title { fill: #e6edf3 }
    .back { fill: #0d1117 } .grid { stroke: #30363d } .band { fill: #8d96a0; opacity: .2 }
    .s0 { stroke: #58a6ff } .s1 { stroke: #f0883e } .s2 { stroke: #3fb950 } .s3 { stroke: #bc8cff }
    .f0 { fill: #58a6ff } .f1 { fill: #f0883e } .f2 { fill: #3fb950 } .f3 { fill: #bc8cff }
  }`

/** The whole file. Throws when there is nothing to draw. */
export function drawPlot(plot: Plot): string {
  const points = plot.series.flatMap((series) => series.points.filter(([, y]) => y !== null)) as [number, number][]
  if (points.length === 0) throw new Error(`${plot.title}: nothing was measured`)
  const [xMin, xMax] = [lowest(points.map(([x]) => x)), highest(points.map(([x]) => x))]
  const yTicks = niceTicks(plot.yMin ?? 0, highest(points.map(([, y]) => y)))
  const [yMin, yMax] = [yTicks[0] ?? 0, yTicks.at(-1) ?? 1]
  const x = (value: number): number => FRAME.left + (INNER.width * (value - xMin)) / (xMax - xMin || 1)
  const y = (value: number): number => FRAME.top + INNER.height * (1 - (value - yMin) / (yMax - yMin || 1))
  const xTicks = niceTicks(xMin, xMax, TICKS.x).filter((tick) => tick >= xMin && tick <= xMax)
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(plot.title)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${FRAME.left}" y="20">${escaped(plot.title)}</text>`,
    ...(plot.bands?.stretches ?? []).map(([from, to]) => {
      const [left, right] = [x(Math.max(from, xMin)), x(Math.min(to, xMax))]
      return `<rect class="band" x="${short(left)}" y="${FRAME.top}" width="${short(right - left)}" height="${INNER.height}"/>`
    }),
    ...yTicks.map((tick) => `<path class="grid" d="M${FRAME.left} ${short(y(tick))}H${WIDTH - FRAME.right}"/>`),
    ...yTicks.map((tick) => label(FRAME.left - 8, y(tick) + 4, 'end', tick.toLocaleString('en'))),
    ...xTicks.map((tick) => label(x(tick), HEIGHT - FRAME.bottom + 18, 'middle', tick.toLocaleString('en'))),
    label(WIDTH - FRAME.right, HEIGHT - 6, 'end', plot.xName),
    label(FRAME.left - 8, FRAME.top - 10, 'end', plot.yName),
    ...plot.series.map((series, index) => drawSeries(series, index, x, y)),
    ...drawLegend(plot),
    '</svg>',
  ]
  return `${lines.join('\n')}\n`
}

/** Round numbers, about `count`, in even steps that reach from `low` to `high`, both included; at least two. */
export function niceTicks(low: number, high: number, count = TICKS.y): readonly number[] {
  const rough = (high - low || Math.abs(high) || 1) / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
  const first = Math.floor(low / step)
  const last = Math.max(first + 1, Math.ceil(high / step))
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)))
}

/** At most `max` points: the highest of each of as many stretches. Gaps stay where a whole stretch is one. */
export function thinOut(points: Series['points'], max = POINTS_MAX): Series['points'] {
  if (points.length <= max) return points
  const size = Math.ceil(points.length / max)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) => {
    const stretch = points.slice(index * size, (index + 1) * size)
    return stretch.reduce((best, point) => ((point[1] ?? -Infinity) > (best[1] ?? -Infinity) ? point : best))
  })
}

function drawSeries(
  { points, dots }: Series,
  index: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  let path = ''
  let isGap = true
  for (const [at, value] of thinOut(points)) {
    if (value !== null) path += `${isGap ? 'M' : 'L'}${short(x(at))} ${short(y(value))}`
    isGap = value === null
  }
  const circles = points.flatMap(([at, value]) =>
    dots === true && value !== null
      ? [`<circle class="f${index}" cx="${short(x(at))}" cy="${short(y(value))}" r="3"/>`]
      : [],
  )
  return [`<path class="line s${index}" d="${path}"/>`, ...circles].join('\n')
}

function drawLegend({ series, bands }: Plot): string[] {
  const entries = [
    ...series.map(({ name }, index) => ({ name, mark: `class="f${index}"` })),
    ...(bands === undefined ? [] : [{ name: bands.name, mark: 'class="band"' }]),
  ]
  let left = FRAME.left
  return entries.flatMap(({ name, mark }) => {
    const at = left
    left += 34 + name.length * 6.6
    return [`<rect ${mark} x="${short(at)}" y="30" width="10" height="10"/>`, label(at + 16, 39, 'start', name)]
  })
}

function label(x: number, y: number, anchor: 'start' | 'middle' | 'end', text: string): string {
  return `<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}">${escaped(text)}</text>`
}

function short(value: number): number {
  return Number(value.toFixed(1))
}

function lowest(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
}

function highest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
