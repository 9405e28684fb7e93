/** Puts the figures of a chaos run into docs/chaos.md, between two marks. Test support; the text around it is people's. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ChaosFigures, failoverCount, tallyFaults } from './chaos-figures.ts'

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'chaos.md')
const BEGIN = '<!-- figures: begin, written by `npm run chaos -- --write-docs` -->'
const END = '<!-- figures: end -->'

/** Rewrites what is between the marks. Throws when they are not there. */
export function writeDocs(figures: ChaosFigures, minutes: number): void {
  const page = readFileSync(PAGE, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has no place for the figures`)
  const text = formatFigures(figures, minutes).join('\n')
  writeFileSync(PAGE, `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`)
}

function formatFigures({ seed, seconds, cpuSeconds, mebibytes, reports, clients }: ChaosFigures, minutes: number) {
  const tallies = tallyFaults(reports).filter(({ count }) => count > 0)
  const total = tallies.reduce((sum, { count }) => sum + count, 0)
  const number = (value: number) => value.toLocaleString('en-US')
  const stall = Math.max(0, ...Object.values(clients.longestStallMs))
  const rows = [
    ['faults', `${number(total)} of ${tallies.length} kinds, in ${reports.length} episodes`],
    ['another primary after the episode', number(failoverCount(reports))],
    ['writes acknowledged', number(clients.writesAcknowledged)],
    ['writes in doubt', number(clients.writesUnknown)],
    ['writes refused', codes(clients.writesFailed)],
    ['writes lost with a fork of the timeline', number(clients.writesLost ?? 0)],
    ['reads answered', number(clients.readsAnswered)],
    ['sessions opened', number(clients.sessionsOpened)],
    ['connects refused', codes(clients.connectsRefused)],
    ['sessions ended by others', codes(clients.sessionsEnded)],
    ['sessions that outlived a freeze, or a cut between proxy and node', number(clients.sessionsOutlivedDoubt)],
    ['longest time without an answer', `${(stall / 1000).toFixed(1)} s`],
    ['violations', '**0**'],
    [
      'cost',
      `${Math.round(seconds)} s, ${(cpuSeconds / seconds).toFixed(2)} cores on average, ${mebibytes} MiB on disk`,
    ],
  ]
  return [
    `\`npm run chaos -- --minutes ${minutes} --seed ${seed}\`:`,
    '',
    '| | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${value} |`),
    '',
    '| fault | times |',
    '|---|---|',
    ...tallies.map(({ kind, count }) => `| ${kind} | ${count} |`),
  ]
}

function codes(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).sort(([, a], [, b]) => b - a)
  return entries.length === 0 ? '0' : entries.map(([code, count]) => `${code} ×${count}`).join(', ')
}
