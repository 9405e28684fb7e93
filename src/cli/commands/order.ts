/**
 * `pgha-proxy accept|fence|unfence NODE`, `drain`, `probe [NODE]`: an operator's order to the running proxy. It prints what became of it and how
 * the cluster stands then. Command line layer; what an order means is the health loop's to know.
 */
import type { Order, OrderName } from '../../admin/order.ts'
import { formatDuration } from '../../config/duration.ts'
import { printable } from '../../observability/printable.ts'
import { type AdminAnswer, askAdmin, formatAdminUrl, refusedHostName, textOf } from '../admin-client.ts'
import { type AdminTarget, findAdminTarget, findToken, type TargetOptions } from '../admin-target.ts'
import { CliError } from '../cli-error.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { layoutOf } from '../layout.ts'
import { parseStatus } from '../status/parse-status.ts'
import { renderState } from '../status/render-status.ts'
import type { Terminal } from '../terminal.ts'

export interface OrderOptions extends TargetOptions {
  readonly tokenFile: string | null
  /** For the log of the proxy. */
  readonly reason: string | null
}

export async function order(given: Order, options: OrderOptions, terminal: Terminal): Promise<ExitCode> {
  const target = await findAdminTarget(options, terminal)
  const token = await findToken(target, options.tokenFile)
  const { kind: name } = given
  const reason = options.reason === null ? {} : { reason: options.reason }
  const body = { ...fieldsOf(given), ...reason }
  const answer = await askAdmin(target.url, { method: 'POST', path: `api/${name}`, token, body })
  const message = answer.statusCode === 200 ? textOf(answer.body, 'message') : null
  if (message === null) throw refusal(name, answer, target, options)
  terminal.out(`${message}\n`)
  terminal.out(await stateNow(target.url, terminal))
  return EXIT_CODES.ok
}

/** As the proxy reads it: src/admin/order.ts. */
function fieldsOf(given: Order): Readonly<Record<string, unknown>> {
  switch (given.kind) {
    case 'accept':
    case 'fence':
    case 'unfence':
      return { node: given.node }
    case 'drain':
      return { drain: given.isOn }
    case 'log-level':
      return { level: given.level, ...(given.forMs === null ? {} : { for: formatDuration(given.forMs) }) }
    case 'probe':
      return given.node === null ? {} : { node: given.node }
    default:
      return given satisfies never
  }
}

/** The state after the order: whoever fences the primary sees at once what that did. */
async function stateNow(url: URL, terminal: Terminal): Promise<string> {
  try {
    const status = parseStatus((await askAdmin(url, { method: 'GET', path: 'api/status' })).body)
    return status === null ? '' : `${renderState(status, layoutOf(terminal))}\n`
  } catch (error) {
    // The order is done; that the proxy is silent now does not undo it.
    if (error instanceof CliError) return ''
    throw error
  }
}

function refusal(
  name: OrderName,
  { statusCode, body }: AdminAnswer,
  { url, configured }: AdminTarget,
  options: OrderOptions,
) {
  const at = formatAdminUrl(url)
  const problem = textOf(body, 'error')
  const fail = (message: string, remedy: string): CliError => new CliError(message, remedy, EXIT_CODES.failure)
  switch (statusCode) {
    case 401:
      return fail(
        `the proxy at ${at} does not take this token`,
        options.tokenFile === null && configured !== null
          ? `${configured.file} has another one than the proxy runs with: reload it, or give --token-file FILE`
          : 'give the one that its admin.token or admin.token_file names',
      )
    case 403:
      if (problem?.startsWith('orders are off') === true) {
        return fail(
          `the proxy at ${at} takes no orders: it has no admin token`,
          'set admin.token_file in its configuration (openssl rand -hex 32 makes a token), and reload it',
        )
      }
      return refusedHostName(url)
    case 429:
      return fail(
        `the proxy at ${at} refuses: ${problem ?? 'too many requests'}`,
        'wait a minute, and give the right token',
      )
    case 400:
      return fail(
        `the proxy at ${at} refuses: ${problem ?? 'without a reason'}`,
        'is it of the same version as this command?',
      )
    case 409:
      return fail(`${name} was refused: ${problem ?? 'without a reason'}`, remedyOf(name, printable(problem ?? '')))
    default:
      return fail(
        `${at} answered ${statusCode}${problem === null ? '' : `: ${problem}`}, not as pgha-proxy does`,
        'is that its admin address? --url http://HOST:PORT names another one',
      )
  }
}

/** The proxy says what is wrong; what helps depends on which of its rules that is. */
function remedyOf(name: OrderName, problem: string): string {
  if (problem.startsWith('there is no node')) return 'name one of these'
  if (problem.startsWith('the state file'))
    return 'nothing was changed: make state_dir writable for the proxy, then repeat the order'
  if (problem.includes('promote it first'))
    return 'promote it (repmgr standby promote, on that node), or accept the node that is primary'
  if (name === 'drain') return 'pgha-proxy status shows whether it is draining; its log says more'
  if (name === 'unfence') return 'pgha-proxy status shows which nodes are fenced'
  return 'pgha-proxy status --explain shows what each node says'
}
