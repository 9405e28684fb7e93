/**
 * `pgha-proxy notify`: repmgr's `event_notification_command`. Tells every proxy that something has happened, and is done:
 * quick, quiet, and never a reason for repmgr to wait or to fail. Command line layer. It runs on database hosts and loads
 * nothing that it does not need: each start of it is time that the proxies do not know.
 */
import type { AdminAnswer } from '../admin-client.ts'
import { askAdmin, formatAdminUrl, textOf } from '../admin-client.ts'
import { DEFAULT_ADMIN_URL, parseAdminUrl } from '../admin-url.ts'
import { CliError } from '../cli-error.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import type { Terminal } from '../terminal.ts'

/** For everything together, unless asked otherwise: repmgr waits for its command. */
export const NOTIFY_TIMEOUT_MS = 1_000

export interface NotifyOptions {
  /** What repmgr puts in for %e, %n, %s, %d and %t; `null`: not given. */
  readonly event: string
  readonly node: string | null
  readonly success: string | null
  readonly details: string | null
  readonly timestamp: string | null
  /** Admin addresses of the proxies; none: the one of the configuration, or of this host. */
  readonly urls: readonly string[]
  readonly tokenFile: string | null
  /** Left out, no configuration is looked for: a database host has none. */
  readonly config: string | null
  readonly timeoutMs: number
  /** Says what became of it, on standard error. */
  readonly isVerbose: boolean
}

/** Ends with 0 whatever the proxies say. Rejects with a CliError only when the options are no use. */
export async function notify(options: NotifyOptions, terminal: Terminal): Promise<ExitCode> {
  const giveUp = AbortSignal.timeout(options.timeoutMs)
  const { event, node, success, details, timestamp, timeoutMs } = options
  const given = { event, node, success, details, timestamp }
  const body = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
  const { urls, token } = await findProxies(options, terminal)
  const told = await Promise.allSettled(
    urls.map(async (url) => {
      const request = { method: 'POST', path: 'api/notify', token, body, signal: giveUp, timeoutMs } as const
      return `${formatAdminUrl(url)}: ${describe(await askAdmin(url, request))}`
    }),
  )
  if (options.isVerbose) {
    for (const outcome of told) {
      terminal.err(`${outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as Error).message}\n`)
    }
  }
  return EXIT_CODES.ok
}

/** `pgha-proxy notify --print-token`: what belongs into the token file of the database hosts. */
export async function printNotifyToken(config: string | null, terminal: Terminal): Promise<ExitCode> {
  const { findAdminTarget, findToken } = await import('../admin-target.ts')
  const { notifyToken } = await import('../../admin/notify-token.ts')
  const token = await findToken(await findAdminTarget({ url: null, config }, terminal), null)
  terminal.out(`${notifyToken(token)}\n`)
  return EXIT_CODES.ok
}

async function findProxies(
  { urls, tokenFile, config }: NotifyOptions,
  terminal: Terminal,
): Promise<{ readonly urls: readonly URL[]; readonly token: string }> {
  const named = urls.map((url) => parseAdminUrl(url, '--admin'))
  if (config !== null) {
    const { findAdminTarget, findToken } = await import('../admin-target.ts')
    const target = await findAdminTarget({ url: null, config }, terminal)
    return { urls: named.length > 0 ? named : [target.url], token: await findToken(target, tokenFile) }
  }
  if (tokenFile === null) {
    throw new CliError(
      'a notification needs a token, and none was given',
      'give --token-file FILE; on the host of the proxy `pgha-proxy notify --print-token` prints what belongs into it',
      EXIT_CODES.usage,
    )
  }
  const { readSecretFile } = await import('../../config/secret-file.ts')
  const read = await readSecretFile(tokenFile)
  if (!read.ok) {
    throw new CliError(
      `--token-file ${read.problem}`,
      'it is read as the user that repmgr runs as: postgres, as a rule',
      EXIT_CODES.usage,
    )
  }
  return { urls: named.length > 0 ? named : [new URL(DEFAULT_ADMIN_URL)], token: read.secret }
}

function describe({ statusCode, body }: AdminAnswer): string {
  const sentence = textOf(body, statusCode === 202 ? 'message' : 'error')
  return sentence === null ? `answered ${statusCode}, not as pgha-proxy does` : sentence
}
