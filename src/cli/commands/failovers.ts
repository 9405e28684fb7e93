/**
 * `pgha-proxy failovers`: the failover journal of the running proxy as a table, or one record of it as a timeline.
 * Command line layer.
 */
import type { FailoverRecord } from '../../observability/failover-record.ts'
import { askAdmin, formatAdminUrl, refusedHostName, textOf } from '../admin-client.ts'
import { findAdminTarget, type TargetOptions } from '../admin-target.ts'
import { CliError } from '../cli-error.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { parseFailovers } from '../failovers/parse-failovers.ts'
import { renderFailover } from '../failovers/render-failover.ts'
import { renderFailovers } from '../failovers/render-failovers.ts'
import { layoutOf } from '../layout.ts'
import type { Terminal } from '../terminal.ts'

/** As many as a journal has. */
const LIMIT_MAX = 100

export interface FailoversOptions extends TargetOptions {
  /** One record, by its number; `last` the newest; `null` the table. */
  readonly which: string | 'last' | null
  /** How many lines the table has; `null`: as the proxy likes. */
  readonly limit: string | null
  readonly json: boolean
}

export async function failovers(options: FailoversOptions, terminal: Terminal): Promise<ExitCode> {
  const { which, limit, json } = options
  if (which !== null && which !== 'last' && !/^\d{1,15}$/.test(which)) {
    throw usage(`${JSON.stringify(which)} is no number of a failover`, 'pgha-proxy failovers lists them')
  }
  if (limit !== null && !(/^\d{1,3}$/.test(limit) && Number(limit) <= LIMIT_MAX)) {
    throw usage(`--limit ${limit} is no whole number of 0 to ${LIMIT_MAX}`, 'the journal keeps no more')
  }
  const { url } = await findAdminTarget(options, terminal)
  const asked = which === null ? limit : which === 'last' ? '1' : String(LIMIT_MAX)
  const query = asked === null ? '' : `?limit=${asked}`
  const { statusCode, body } = await askAdmin(url, { method: 'GET', path: `api/failovers${query}` })
  const list = statusCode === 200 ? parseFailovers(body) : null
  if (list === null) throw notAJournal(url, statusCode, textOf(body, 'error'))
  if (which === null) {
    terminal.out(`${json ? JSON.stringify(body) : renderFailovers(list.failovers, layoutOf(terminal))}\n`)
    return EXIT_CODES.ok
  }
  const record = find(list.failovers, which)
  terminal.out(`${json ? JSON.stringify(record) : renderFailover(record, layoutOf(terminal))}\n`)
  return EXIT_CODES.ok
}

function find(records: readonly FailoverRecord[], which: string): FailoverRecord {
  const record = which === 'last' ? records[0] : records.find(({ id }) => id === Number(which))
  if (record !== undefined) return record
  throw new CliError(
    which === 'last' ? 'the journal is empty' : `there is no failover ${which} in the journal`,
    which === 'last'
      ? 'no primary was accepted since it was begun'
      : `it keeps the last ${LIMIT_MAX}; pgha-proxy failovers lists them`,
    EXIT_CODES.failure,
  )
}

function usage(message: string, remedy: string): CliError {
  return new CliError(message, remedy, EXIT_CODES.usage)
}

function notAJournal(url: URL, statusCode: number, problem: string | null): CliError {
  if (statusCode === 403) return refusedHostName(url)
  const at = formatAdminUrl(url)
  return new CliError(
    `${at} answered ${statusCode}${problem === null ? '' : `: ${problem}`}, but with no failover journal that this version can read`,
    'is that its admin address, and is the proxy of this version? pgha-proxy status says which one runs there',
    EXIT_CODES.failure,
  )
}
