/**
 * What is kept of a soak for people: the pictures in docs/pictures, and the figures in docs/soak.md between two marks. Test
 * support. The words around them are written by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { bytesPerSession, type Finding, floorsOf, type RestPoint } from './leak-rules.ts'
import type { Phase, SoakOptions } from './options.ts'
import type { PhaseOutcome } from './phases.ts'
import { drawPlot, type Plot } from './plot.ts'
import type { SoakRow } from './recorder.ts'

export interface PhaseResult {
  readonly cycle: number
  readonly phase: Phase
  readonly seconds: number
  readonly outcome: PhaseOutcome
  readonly rest: RestPoint
}

/** Everything about one run. */
export interface SoakRun {
  readonly options: SoakOptions
  readonly command: string
  /** Of the machine, as the words of the page. */
  readonly machine: string
  /** Processes that waited for a core, on average of the run. */
  readonly loadAverage: number
  /** Before anybody has come. */
  readonly start: RestPoint
  readonly results: readonly PhaseResult[]
  readonly findings: readonly Finding[]
  readonly complaints: readonly string[]
  readonly rows: readonly SoakRow[]
}

const DOCS = join(import.meta.dirname, '..', '..', 'docs')
const BEGIN = '<!-- What follows is written by npm run soak -- --write-docs -->'
const END = '<!-- What was written by npm run soak ends here -->'
const KIB = 1024
const MIB = 1024 * 1024

/** Writes pictures and figures. Throws when the page has no place for them. */
export function writeDocs(run: SoakRun): void {
  for (const [name, plot] of Object.entries(plotsOf(run))) {
    writeFileSync(join(DOCS, 'pictures', `soak-${name}.svg`), drawPlot(plot))
  }
  const page = join(DOCS, 'soak.md')
  const text = readFileSync(page, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${page} has no place for the figures`)
  writeFileSync(page, `${text.slice(0, begin + BEGIN.length)}\n\n${figuresOf(run)}\n${text.slice(end)}`)
}

/** `two cores (name of the model), Node 24.1.0`. */
export function describeMachine(): string {
  const cores = os.cpus()
  return `${cores.length} cores (${cores[0]?.model ?? '?'}), Node ${process.versions.node}`
}

/** By the last part of the file's name. */
export function plotsOf({ rows, results }: SoakRun): Readonly<Record<string, Plot>> {
  const over = (read: (row: SoakRow) => number | null) => rows.map((row) => [row.seconds, read(row)] as const)
  const stretches = results
    .filter(({ phase }) => phase === 'failover')
    .map(({ rest, seconds }) => [rest.atSeconds - seconds, rest.atSeconds] as const)
  const bands = { name: 'phase with a failover', stretches }
  const phases = [...new Set(results.map(({ phase }) => phase))]
  return {
    memory: {
      title: 'Memory of the proxy',
      xName: 'seconds',
      yName: 'MiB',
      bands,
      series: [
        { name: 'resident (RSS)', points: over(({ rssMiB }) => rssMiB) },
        { name: 'its share of it (PSS)', points: over(({ pssMiB }) => pssMiB) },
        { name: 'heap', points: over(({ heapMiB }) => heapMiB) },
        { name: 'live at rest', dots: true, points: results.map(({ rest }) => [rest.atSeconds, rest.liveBytes / MIB]) },
      ],
    },
    sessions: {
      title: 'Sessions and open files',
      xName: 'seconds',
      yName: '',
      bands,
      series: [
        { name: 'open files', points: over(({ files }) => files) },
        { name: 'sessions held', points: over(({ held }) => held) },
        { name: 'sessions', points: over(({ sessions }) => sessions) },
        { name: 'new sessions a second', points: over(({ acceptedPerSecond }) => acceptedPerSecond) },
      ],
    },
    loop: {
      title: 'Event-loop delay, and CPU time of the proxy',
      xName: 'seconds',
      yName: 'ms, %',
      bands,
      series: [
        { name: 'p50, ms', points: over(({ loopP50Ms }) => loopP50Ms) },
        { name: 'p99, ms', points: over(({ loopP99Ms }) => loopP99Ms) },
        { name: 'CPU, % of a core', points: over(({ cpuPercent }) => cpuPercent) },
      ],
    },
    timers: {
      title: 'Active timers, and whatever else keeps the process running but sockets',
      xName: 'seconds',
      yName: '',
      bands,
      series: [
        { name: 'timers', points: over(({ timers }) => timers) },
        { name: 'other resources', points: over(({ otherResources }) => otherResources) },
        { name: 'threads', points: over(({ threads }) => threads) },
      ],
    },
    rest: {
      title: 'Live heap at rest, when all sessions have ended',
      xName: 'sessions ended',
      yName: 'KiB',
      series: phases.map((name) => ({
        name: `after ${name}`,
        dots: true,
        points: results
          .filter(({ phase }) => phase === name)
          .map(({ rest }) => [rest.sessionsEnded, rest.liveBytes / KIB] as const),
      })),
    },
  }
}

/** The block of the page. */
export function figuresOf(run: SoakRun): string {
  const { options, results, start, findings, complaints } = run
  const whole = results.at(-1)?.rest
  const wrong = [
    ...results.flatMap(({ outcome }) => outcome.complaints),
    ...complaints,
    ...findings.map(({ phase, what }) => `${phase}: ${what}`),
  ]
  const phases = [...new Set(results.map(({ phase }) => phase))]
  return [
    `\`${run.command}\`, on ${run.machine}; load average ${run.loadAverage.toFixed(1)}. Program: \`${options.program}\`, ` +
      `servers: ${options.servers}, ${options.workers === 1 ? 'one process' : `${options.workers} worker processes`}. ` +
      `${number(whole?.sessionsEnded ?? 0)} sessions in ${number(whole?.atSeconds ?? 0)} s. ` +
      (wrong.length === 0 ? '**Nothing was left behind, and nothing went wrong.**' : '**The run has failed:**'),
    '',
    ...(wrong.length === 0 ? [] : [...wrong.map((what) => `- ${what}`), '']),
    ...phases.flatMap((phase) => phaseTable(phase, results)),
    'At rest, after each phase:',
    '',
    '| cycle, phase | sessions ended | live heap, KiB | buffers, KiB | RSS, MiB | open files | timers | sockets | threads |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...[start, ...results.map(({ rest }) => rest)].map(restLine),
    '',
    `Live heap, at the least of each cycle, from the second on: ${bytesPerSession(floorsOf(results.map(({ rest }) => rest))).toFixed(1)} bytes a session.`,
    '',
    ...Object.entries(plotsOf(run)).map(([name, { title }]) => `![${title}](pictures/soak-${name}.svg)\n`),
  ].join('\n')
}

function phaseTable(phase: Phase, results: readonly PhaseResult[]): string[] {
  const cycles = results.filter((result) => result.phase === phase)
  const names = Object.keys(cycles[0]?.outcome.figures ?? {})
  return [
    `Phase \`${phase}\`:`,
    '',
    `| | ${cycles.map(({ cycle }) => `cycle ${cycle}`).join(' | ')} |`,
    `|---|${cycles.map(() => '---:').join('|')}|`,
    ...names.map(
      (name) => `| ${words(name)} | ${cycles.map(({ outcome }) => number(outcome.figures[name])).join(' | ')} |`,
    ),
    `| seconds in all | ${cycles.map(({ seconds }) => number(seconds)).join(' | ')} |`,
    '',
  ]
}

function restLine(rest: RestPoint): string {
  const files = Object.values(rest.files).reduce((sum, count) => sum + count, 0)
  const { sessionsEnded, liveBytes, bufferBytes, rssBytes, timers, sockets, threads } = rest
  const values = [
    sessionsEnded,
    Math.round(liveBytes / KIB),
    Math.round(bufferBytes / KIB),
    Math.round(rssBytes / MIB),
    files,
    timers,
    sockets,
    threads,
  ]
  return `| ${rest.cycle === 0 ? 'before' : `${rest.cycle}, ${rest.phase}`} | ${values.map(number).join(' | ')} |`
}

/** `answerP99Ms` -> `answer p99, ms`; `rssMiB` -> `rss, MiB`. */
function words(name: string): string {
  const [, what = name, unit] = /^(.*?)(Ms|MiB|KiB)?$/.exec(name) ?? []
  const spaced = what.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return unit === undefined ? spaced : `${spaced}, ${unit === 'Ms' ? 'ms' : unit}`
}

function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return ''
  return (value < 100 ? Number(value.toFixed(1)) : Math.round(value)).toLocaleString('en')
}
