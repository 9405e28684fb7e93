/**
 * `pgha-proxy status`: what the running proxy says of itself and its nodes, once or again and again. Command line layer.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { askAdmin, formatAdminUrl, textOf } from '../admin-client.ts'
import { findAdminTarget, type TargetOptions } from '../admin-target.ts'
import { CliError, formatCliError } from '../cli-error.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { layoutOf } from '../layout.ts'
import { parseStatus, type ShownStatus } from '../status/parse-status.ts'
import { renderStatus } from '../status/render-status.ts'
import type { Terminal } from '../terminal.ts'

const WATCH_INTERVAL_MS = 1_000

/** Home, and what was there goes as it is overwritten: a screen that is cleared first flickers. */
const CURSOR_HOME = '\x1b[H'
const ERASE_LINE_END = '\x1b[K'
const ERASE_BELOW = '\x1b[J'
const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'

export interface StatusOptions extends TargetOptions {
  readonly watch: boolean
  readonly explain: boolean
  readonly json: boolean
  /** Ends the watch: Ctrl-C. */
  readonly stop: AbortSignal
}

/** One look, as text to print. */
interface Frame {
  readonly text: string
  readonly exitCode: ExitCode
}

export async function status(options: StatusOptions, terminal: Terminal): Promise<ExitCode> {
  const { url } = await findAdminTarget(options, terminal)
  if (options.watch) return watch(url, options, terminal)
  const { text, exitCode } = await look(url, options, terminal)
  terminal.out(`${text}\n`)
  return exitCode
}

/**
 * Redraws on a terminal, appends elsewhere, until it is stopped. A proxy that does not answer is what one may be waiting
 * for, so it goes on. The exit code is that of the last look.
 */
async function watch(url: URL, options: StatusOptions, terminal: Terminal): Promise<ExitCode> {
  const { stop } = options
  const redraws = terminal.isInteractive && !options.json
  let exitCode: ExitCode = EXIT_CODES.ok
  if (redraws) terminal.out(`${HIDE_CURSOR}${CURSOR_HOME}${ERASE_BELOW}`)
  try {
    while (!stop.aborted) {
      const frame = await lookOrTell(url, options, terminal)
      exitCode = frame.exitCode
      // An answer that took until Ctrl-C is not drawn over what the shell says next.
      if (!stop.aborted)
        terminal.out(redraws ? onScreen(frame.text, url) : `${frame.text}\n${options.json ? '' : '\n'}`)
      await delay(WATCH_INTERVAL_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  } finally {
    if (redraws) terminal.out(SHOW_CURSOR)
  }
  return exitCode
}

async function look(url: URL, { explain, json }: StatusOptions, terminal: Terminal): Promise<Frame> {
  const { statusCode, body } = await askAdmin(url, { method: 'GET', path: 'api/status' })
  const shown = statusCode === 200 ? parseStatus(body) : null
  if (shown === null) throw notAStatus(url, statusCode, textOf(body, 'error'))
  return {
    text: json ? JSON.stringify(body) : renderStatus(shown, { ...layoutOf(terminal), explain, now: new Date() }),
    exitCode: exitCodeOf(shown),
  }
}

async function lookOrTell(url: URL, options: StatusOptions, terminal: Terminal): Promise<Frame> {
  try {
    return await look(url, options, terminal)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const text = options.json ? JSON.stringify({ error: error.message }) : formatCliError(error).trimEnd()
    return { text, exitCode: error.exitCode }
  }
}

function onScreen(text: string, url: URL): string {
  const title = `pgha-proxy at ${formatAdminUrl(url)}, ${new Date().toTimeString().slice(0, 8)} (Ctrl-C ends)`
  const lines = [title, '', ...text.split('\n')]
  return `${CURSOR_HOME}${lines.map((line) => `${line}${ERASE_LINE_END}\n`).join('')}${ERASE_BELOW}`
}

function exitCodeOf({ primary }: ShownStatus): ExitCode {
  return primary === null ? EXIT_CODES.noPrimary : EXIT_CODES.ok
}

function notAStatus(url: URL, statusCode: number, problem: string | null): CliError {
  const at = formatAdminUrl(url)
  if (statusCode === 403) {
    return new CliError(
      `the proxy at ${at} refuses requests under that host name`,
      'give --url with its IP address: it takes no other names than the one it listens on',
      EXIT_CODES.failure,
    )
  }
  return new CliError(
    `${at} answered ${statusCode}${problem === null ? '' : `: ${problem}`}, but with no status of pgha-proxy`,
    'is that its admin address? --url http://HOST:PORT names another one',
    EXIT_CODES.failure,
  )
}
