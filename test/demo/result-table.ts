/**
 * The tally as lines for people. Pure; no colour, and nothing wider than 100 columns.
 */
import { describeCodes } from './app-event.ts'
import type { Tally } from './tally.ts'

/** The table, without the verdict. Lines have no newline; an empty one parts the two halves. */
export function renderResult(tally: Tally): readonly string[] {
  const rows: readonly (readonly [label: string, value: string, remark: string])[] = [
    ['writes acknowledged', count(tally.writesAcknowledged), repeated(tally)],
    ['writes lost', count(tally.writesLost), 'must be 0; counted in the database of the last primary'],
    ['writes on an old primary', count(tally.writesOnOldPrimary), 'must be 0; acknowledged by it, or found in it'],
    ['read-only errors', count(tally.readOnlyErrors), 'must be 0 (SQLSTATE 25006)'],
    ['new connections refused', count(tally.connectionsRefused), `must be 0; ${connections(tally)}`],
    [
      'logins cut short',
      count(tally.loginsCutShort),
      tally.loginsCutShort === 0 ? '' : 'the server died half-way; tried again',
    ],
    ['running sessions ended', count(sum(tally.errorsBySqlstate)), describeCodes(tally.errorsBySqlstate)],
    ['longest stall', seconds(tally.longestStallMs), 'between two acknowledged writes'],
    ...tally.promotions.map(
      ({ node, toFirstSessionMs, toRoutedMs }) =>
        [
          `promotion of ${node}`,
          milliseconds(toFirstSessionMs),
          `until a new session was open there; routed after ${milliseconds(toRoutedMs)}`,
        ] as const,
    ),
  ]
  const outages = tally.outages.map(
    ({ what, withoutPrimaryMs, withoutWriteMs }) => [what, seconds(withoutPrimaryMs), seconds(withoutWriteMs)] as const,
  )
  return [...align(rows), '', ...align([['', 'no primary', 'no write acknowledged'], ...outages], [false, true, true])]
}

/** `1.58 s` */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`
}

/** `12,345` */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

function milliseconds(value: number | null): string {
  return value === null ? 'never' : `${Math.round(value)} ms`
}

function repeated({ writesRepeated }: Tally): string {
  return writesRepeated === 0 ? '' : `${count(writesRepeated)} sent again after an error left them in doubt`
}

function connections({ connectionsOpened, longestConnectMs }: Tally): string {
  return `${count(connectionsOpened)} opened, the longest wait ${seconds(longestConnectMs)}`
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, each) => total + each, 0)
}

/** Columns two spaces apart; the second is aligned to the right unless told otherwise. */
function align(rows: readonly (readonly string[])[], right: readonly boolean[] = [false, true, false]): string[] {
  const widths = right.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
