/**
 * The end of a chaos run in words: a table of what the clients went through, and each violation with what happened around
 * it. Pure; lines without colour, at most 160 columns.
 */
import type { CheckResult } from './check-history.ts'
import type { CountsByCode, Takeover } from './client-figures.ts'
import type { HistoryEvent } from './history.ts'
import { RULES, type Violation } from './violation.ts'

const WIDTH = 160
/** Violations that are told with what was around them; the others with their sentence. */
const TOLD_MAX = 10
const AROUND_MS = 5_000
const AROUND_MAX = 40

/** All of it; the last line says whether the promises were kept. `zeroAt`: from when times are counted. */
export function formatReport(result: CheckResult, zeroAt: number): readonly string[] {
  const { violations } = result
  return [
    ...formatFigures(result),
    ...violations.flatMap((violation, i) => ['', ...formatViolation(violation, result, zeroAt, i < TOLD_MAX)]),
    '',
    violations.length === 0 ? 'No promise was broken.' : `${violations.length} violations: ${byRule(violations)}`,
  ]
}

/** The table. */
export function formatFigures({ figures }: CheckResult): readonly string[] {
  const stalls = Object.entries(figures.longestStallMs).sort(([, a], [, b]) => b - a)
  const rows: readonly (readonly [label: string, value: string])[] = [
    ['writes acknowledged', count(figures.writesAcknowledged)],
    ['writes in doubt', `${count(figures.writesUnknown)} (the answer to the COMMIT never came)`],
    ['writes refused', codes(figures.writesFailed)],
    ['writes lost with a fork', figures.writesLost === null ? 'not counted' : count(figures.writesLost)],
    ['reads answered', count(figures.readsAnswered)],
    ['sessions opened', `${count(figures.sessionsOpened)}, the longest connect ${seconds(figures.longestConnectMs)}`],
    ['connects refused', codes(figures.connectsRefused)],
    ['sessions ended by others', codes(figures.sessionsEnded)],
    [
      'sessions that outlived doubt',
      `${count(figures.sessionsOutlivedDoubt)} (a freeze, or a cut between proxy and node)`,
    ],
    ['accepted, the old one gone', describeTakeovers(figures.takeovers.filter(({ wasGone }) => wasGone))],
    ['accepted, the old one alive', describeTakeovers(figures.takeovers.filter(({ wasGone }) => !wasGone))],
    ...stalls.map(([client, ms]) => [`longest stall of ${client}`, seconds(ms)] as const),
  ]
  const width = rows.reduce((most, [label]) => Math.max(most, label.length), 0)
  return rows.map(([label, value]) => cut(`${label.padEnd(width)}  ${value}`))
}

/** T3 is what the client sees: from the promotion to a session that is open there. */
function describeTakeovers(takeovers: readonly Takeover[]): string {
  if (takeovers.length === 0) return 'never, with the node in plain sight'
  const accepted = median(takeovers.map(({ toAcceptedMs }) => toAcceptedMs))
  const sessions = takeovers.flatMap(({ toSessionMs }) => toSessionMs ?? [])
  const most = sessions.reduce((all, each) => Math.max(all, each), 0)
  const opened =
    sessions.length === 0 ? 'no session there' : `a session there ${median(sessions)} ms, at most ${most} ms`
  return `${takeovers.length} times in plain sight; from the promotion, median: ${accepted} ms, ${opened}`
}

function formatViolation(
  violation: Violation,
  { index }: CheckResult,
  zeroAt: number,
  isTold: boolean,
): readonly string[] {
  const { rule, at, text, session, proxy } = violation
  const who = [session, proxy].filter((each) => each !== undefined).join(' by ')
  const head = [`${RULES[rule]} [${rule}]`, `${time(at, zeroAt)}  ${who}${who === '' ? '' : ': '}${text}`].map(cut)
  if (!isTold) return head
  const around = index.events.filter((event) => {
    return Math.abs(event.at - at) <= AROUND_MS && isAbout(event, session, proxy)
  })
  const from = Math.max(0, around.findIndex((event) => event.at >= at) - AROUND_MAX / 2)
  const shown = around.slice(from, from + AROUND_MAX)
  return [...head, ...shown.map((event) => cut(`  ${time(event.at, zeroAt)}  ${describeEvent(event)}`))]
}

/** Everything but other clients, other proxies, and samples. */
function isAbout(event: HistoryEvent, session: string | undefined, proxy: string | undefined): boolean {
  if (event.kind === 'truth') return false
  if ('session' in event) return event.session === session
  if (event.kind === 'log' || event.kind === 'process') return proxy === undefined || event.proxy === proxy
  return true
}

/** One line for an event. */
export function describeEvent(event: HistoryEvent): string {
  switch (event.kind) {
    case 'truth': {
      const role = event.inRecovery === null ? `no answer: ${event.problem}` : event.inRecovery ? 'standby' : 'primary'
      return `${event.node} says: ${role}, timeline ${event.timelineId}`
    }
    case 'fault':
      return `fault ${event.id} ${event.phase}: ${event.fault} ${event.target}, ${event.detail}`
    case 'operator':
      return `operator ${event.phase}: ${event.action} ${event.target}, ${event.detail}`
    case 'process':
      return `${event.proxy}: process ${event.pid} ${event.what} ${event.detail}`
    case 'log': {
      const { level, time: wallTime, msg, ...fields } = event.record
      return `${event.proxy}: ${String(msg)} ${JSON.stringify(fields)}`
    }
    case 'phase':
      return `episode ${event.episode}: ${event.phase} ${event.detail}`
    case 'connect':
      return `${event.session} connects to ${event.proxy}, to ${event.route}`
    case 'opened':
      return `${event.session} is logged in`
    case 'refused':
      return `${event.session} is refused: ${describeWords(event.error)}`
    case 'closed':
      return `${event.session} is closed by ${event.by}: ${describeWords(event.error)}`
    case 'asked':
      return `${event.session} asks ${event.op}: ${event.what} ${event.n ?? ''}`
    case 'answered': {
      const { node, timelineId, inRecovery } = event.view
      return `${event.session} is answered ${event.op}: ${node}, ${inRecovery ? 'standby' : `timeline ${timelineId}`}, ${event.lsn}`
    }
    case 'failed':
    case 'unknown':
      return `${event.session} operation ${event.op} ${event.kind}: ${describeWords(event.error)}`
    default: {
      const unhandled: never = event
      return unhandled
    }
  }
}

function describeWords(
  error: { readonly code: string | null; readonly message: string; readonly detail: string | null } | null,
) {
  if (error === null) return 'no words'
  return [error.code, error.message, error.detail].filter((each) => each !== null).join(', ')
}

function byRule(violations: readonly Violation[]): string {
  const counts: Record<string, number> = {}
  for (const { rule } of violations) counts[rule] = (counts[rule] ?? 0) + 1
  return codes(counts)
}

/** `57P01 x8, 08006 x4`, the most frequent first. */
function codes(counts: CountsByCode): string {
  const entries = Object.entries(counts).sort(([a, x], [b, y]) => y - x || a.localeCompare(b))
  return entries.length === 0 ? '0' : entries.map(([code, many]) => `${code} x${count(many)}`).join(', ')
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`
}

function time(at: number, zeroAt: number): string {
  return `${((at - zeroAt) / 1000).toFixed(3).padStart(9)} s`
}

function cut(line: string): string {
  return line.length <= WIDTH ? line : `${line.slice(0, WIDTH - 1)}…`
}
