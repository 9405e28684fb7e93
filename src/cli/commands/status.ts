/**
 * `pgha-proxy status`: what the running proxy says of itself and its nodes, once or again and again. Command line layer.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { askAdmin, formatAdminUrl, refusedHostName, textOf } from '../admin-client.ts'
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
/** A screen of its own: what was on the terminal before is there again afterwards. Long lines are cut, not broken. */
const ENTER_SCREEN = '\x1b[?1049h\x1b[?7l'
const LEAVE_SCREEN = '\x1b[?7h\x1b[?1049l'

/** Those that end the watch: q, and Ctrl-C, which is a key like any other while keys are read one by one. */
const STOP_KEYS = ['q', 'Q', '\x03']

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
 * for, so it goes on. The exit code is that of the last look, which stays on the
 * terminal; 0 when there was none.
 */
async function watch(url: URL, options: StatusOptions, terminal: Terminal): Promise<ExitCode> {
  const redraws = terminal.isInteractive && !options.json
  const keys = new AbortController()
  const stop = AbortSignal.any([options.stop, keys.signal])
  let last: Frame = { text: '', exitCode: EXIT_CODES.ok }
  let releaseKeys: (() => void) | undefined
  if (redraws) {
    terminal.out(`${ENTER_SCREEN}${HIDE_CURSOR}${CURSOR_HOME}${ERASE_BELOW}`)
    releaseKeys = terminal.onKeys?.((pressed) => {
      if (STOP_KEYS.some((key) => pressed.includes(key))) keys.abort()
    })
  }
  try {
    while (!stop.aborted) {
      const frame = await lookOrTell(url, { ...options, stop }, terminal)
      // Given up in the middle of it: that says nothing of the proxy.
      if (stop.aborted) break
      last = frame
      terminal.out(redraws ? onScreen(frame.text, url, terminal) : `${frame.text}\n${options.json ? '' : '\n'}`)
      await delay(WATCH_INTERVAL_MS, undefined, { signal: stop }).catch(() => undefined)
    }
  } finally {
    releaseKeys?.()
    if (redraws) terminal.out(`${SHOW_CURSOR}${LEAVE_SCREEN}${last.text === '' ? '' : `${last.text}\n`}`)
  }
  return last.exitCode
}

async function look(url: URL, { explain, json, stop }: StatusOptions, terminal: Terminal): Promise<Frame> {
  const { statusCode, body } = await askAdmin(url, { method: 'GET', path: 'api/status', signal: stop })
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

function onScreen(text: string, url: URL, { rows = null, onKeys }: Terminal): string {
  const ends = onKeys === undefined ? 'Ctrl-C ends' : 'q ends'
  const title = `pgha-proxy at ${formatAdminUrl(url)}, ${new Date().toTimeString().slice(0, 8)} (${ends})`
  const lines = [title, '', ...text.split('\n')]
  // One line more than fits would scroll the first one away.
  const room = rows === null ? lines.length : Math.max(3, rows - 1)
  if (lines.length > room) lines.splice(room - 1, lines.length, `… ${lines.length - room + 1} lines more`)
  return `${CURSOR_HOME}${lines.map((line) => `${line}${ERASE_LINE_END}\n`).join('')}${ERASE_BELOW}`
}

function exitCodeOf({ primary }: ShownStatus): ExitCode {
  return primary === null ? EXIT_CODES.noPrimary : EXIT_CODES.ok
}

function notAStatus(url: URL, statusCode: number, problem: string | null): CliError {
  if (statusCode === 403) return refusedHostName(url)
  const at = formatAdminUrl(url)
  return new CliError(
    `${at} answered ${statusCode}${problem === null ? '' : `: ${problem}`}, but with no status of pgha-proxy`,
    'is that its admin address? --url http://HOST:PORT names another one',
    EXIT_CODES.failure,
  )
}
