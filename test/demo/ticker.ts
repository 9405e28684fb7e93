/**
 * The one line below the demo's timeline that is always up to date: the writes of the last seconds as a small chart, and
 * how things stand. Pure.
 */
import { count } from './result-table.ts'

/** Width of one bar of the chart. */
export const TICK_MS = 500

const CHART_TICKS = 24
const BARS = [...' ▁▂▃▄▅▆▇█']

export interface TickerInput {
  /** When each write was acknowledged, ascending, in milliseconds. */
  readonly writeTimes: readonly number[]
  readonly now: number
  readonly connectingCount: number
  /** What the proxy decided last: `serving node2`. */
  readonly proxyState: string
  /** Of the terminal; the line is cut to it. */
  readonly columns: number
}

export function renderTicker(input: TickerInput): string {
  const counts = countByTick(input.writeTimes, input.now)
  const most = Math.max(1, ...counts)
  // A tick with a single write must not look like one with none.
  const chart = counts.map((each) => BARS[each === 0 ? 0 : Math.max(1, Math.round((each / most) * 8))]).join('')
  const perSecond = Math.round(((counts.at(-1) ?? 0) * 1000) / TICK_MS)
  const parts = [
    `${String(perSecond).padStart(5)} writes/s |${chart}|`,
    `proxy: ${input.proxyState}`,
    `${count(input.writeTimes.length)} acknowledged`,
    `${input.connectingCount} connecting`,
  ]
  return parts.join('   ').slice(0, Math.max(0, input.columns - 1))
}

/** The last CHART_TICKS whole ticks before `now`, oldest first. */
function countByTick(times: readonly number[], now: number): readonly number[] {
  const counts = Array.from({ length: CHART_TICKS }, () => 0)
  // The last tick slides along, so that the rate never stems from a tick that has only just begun.
  for (let index = times.length - 1; index >= 0; index -= 1) {
    const age = Math.floor((now - (times[index] ?? 0)) / TICK_MS)
    if (age >= CHART_TICKS) break
    const slot = CHART_TICKS - 1 - Math.max(0, age)
    counts[slot] = (counts[slot] ?? 0) + 1
  }
  return counts
}
