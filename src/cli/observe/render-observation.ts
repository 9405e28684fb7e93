/** The report of `--observe` for people. Pure. */
import type { WholeReport } from '../../daemon/observer.ts'
import { formatTime } from '../failovers/render-failovers.ts'
import { formatCount, formatElapsed } from '../quantities.ts'

/** Lines of one list; the last ones, which `--json` has more of. */
const SHOWN = 20

/** With a newline at the end. */
export function renderObservation(report: WholeReport): string {
  const { since, forMs, now } = report
  if (since === null || now === null) return 'Nothing was observed: not every node has been asked yet.\n'
  const parts = [
    [`Observed for ${formatElapsed(forMs)}, from ${formatTime(since)} UTC. At the end: ${now.state}, ${now.reason}.`],
    ['States', ...report.states.map(({ state, ...time }) => `  ${state.padEnd(12)} ${share(time)}`)],
    ['New sessions would have', ...routing(report)],
    ['Running sessions would have been ended by the proxy', ...ends(report)],
    ['Primaries', ...primaries(report)],
    ['Warnings', ...warnings(report)],
    ['Probes', ...probes(report)],
    ...(report.compared === null ? [] : [comparison(report.compared)]),
  ]
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`
}

function share({ forMs, percent }: { readonly forMs: number; readonly percent: number }): string {
  return `${percent.toFixed(2).padStart(6)} %  ${formatElapsed(forMs)}`
}

function routing({ routed, holds }: WholeReport): string[] {
  const waited = `  waited       ${share(holds)}, ${formatCount(holds.count, 'time')}`
  return [
    ...routed.map(({ node, ...time }) => `  gone to ${node.padEnd(4)} ${share(time)}`),
    holds.count === 0 ? waited : `${waited}, ${formatElapsed(holds.longestMs)} at the longest`,
    ...holds.last
      .slice(-SHOWN)
      .map(({ since, forMs, reason }) => `    ${formatTime(since)}  ${formatElapsed(forMs)}: ${reason}`),
  ]
}

function ends({ ends: { count, last } }: WholeReport): string[] {
  if (count === 0) return ['  never']
  return [
    `  ${formatCount(count, 'time')}`,
    ...last.slice(-SHOWN).map(({ at, node, why }) => `    ${formatTime(at)}  on ${node}: it ${why}`),
  ]
}

function primaries({ primaries: list, changes }: WholeReport): string[] {
  return [
    `  ${formatCount(changes, 'change')}`,
    ...list
      .slice(-SHOWN)
      .map(({ node, timelineId, since }) => `    ${formatTime(since)}  ${node}, timeline ${timelineId ?? '?'}`),
  ]
}

function warnings({ warnings: list }: WholeReport): string[] {
  if (list.length === 0) return ['  none']
  return list.map(({ warning, times, forMs, isOn }) => {
    return `  ${formatElapsed(forMs)}, ${formatCount(times, 'time')}${isOn ? ', still on' : ''}: ${warning}`
  })
}

function probes({ probes: list }: WholeReport): string[] {
  return list.map(({ node, asked, failed }) => {
    const classes = Object.entries(failed).map(([failure, count]) => `${count} ${failure}`)
    return `  ${node}: ${asked} asked, ${classes.length === 0 ? 'none failed' : `failed: ${classes.join(', ')}`}`
  })
}

function comparison({ address, asked, ms, last }: NonNullable<WholeReport['compared']>): string[] {
  const line = (text: string, spentMs: number): string => `  ${text.padEnd(38)} ${formatElapsed(spentMs)}`
  return [
    `The proxy at ${address}, asked ${formatCount(asked, 'time')}, led`,
    line('to the same primary', ms.right),
    line('elsewhere', ms.wrong),
    line('somewhere, while there was no primary', ms.undecided),
    line('nowhere', ms.nowhere),
    ...last
      .slice(-SHOWN)
      .map(({ since, forMs, kind, where }) => `    ${formatTime(since)}  ${formatElapsed(forMs)} ${kind}: ${where}`),
  ]
}
