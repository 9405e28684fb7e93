/**
 * What every client program does, in the same order where it can, and what it must print. Test support. A program
 * prints one JSON line for each step: `{"step": …, "value": …}`.
 */
import { createHash } from 'node:crypto'

/** A step and the least that its value must hold; words of error messages are compared with those got directly. */
export interface Step {
  readonly name: string
  /** As the table in docs/clients.md has it. */
  readonly title: string
  /** `null`: any value, as long as it is the same directly and through the proxy. */
  readonly expected: unknown
}

const BIG = '0123456789abcdef'.repeat(65_536)
const ROWS = Array.from({ length: 1000 }, (_, index) => `${index + 1}\trow ${index + 1}\n`).join('')

/** Of the program's mode `steps`, on the primary. Before them it prints `client`: its own version and its library's. */
export const STEPS: readonly Step[] = [
  { name: 'connect', title: 'connect with SCRAM', expected: { user: 'einvoice', database: 'einvoice' } },
  { name: 'version', title: 'server version', expected: null },
  { name: 'prepared', title: 'prepared statement, twice', expected: [3, 7] },
  { name: 'error', title: 'error in a transaction', expected: { codes: ['22012', '25P02'], after: 1 } },
  { name: 'copyIn', title: 'COPY in', expected: { rows: 1000, sum: 500_500 } },
  { name: 'copyOut', title: 'COPY out', expected: digest(ROWS) },
  { name: 'largeObject', title: 'large object', expected: digest(BIG.slice(0, 100_000)) },
  { name: 'notify', title: 'LISTEN, NOTIFY', expected: { channel: 'news', payload: 'paper' } },
  { name: 'cancel', title: 'cancel a query', expected: { code: '57014' } },
  { name: 'big', title: 'a value of 1 MB', expected: digest(BIG) },
  { name: 'pipeline', title: 'pipelining', expected: 5050 },
]

/** Of the program's mode `standby`. */
export const STANDBY_STEP: Step = {
  name: 'standby',
  title: 'read-only session',
  expected: { recovering: true, code: '25006' },
}

function digest(text: string): unknown {
  return { bytes: text.length, md5: createHash('md5').update(text).digest('hex') }
}
