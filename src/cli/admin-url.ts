/**
 * Where a running proxy is asked: by default, and over a Unix socket. A file of its own: the help needs it, and nothing
 * that reads configurations.
 */
import { pathToFileURL } from 'node:url'
import { CliError } from './cli-error.ts'
import { EXIT_CODES } from './exit-codes.ts'

/** Where the admin server listens unless the configuration says otherwise. */
export const DEFAULT_ADMIN_URL = 'http://127.0.0.1:8432'

/** The URL that stands for a Unix socket: `unix:/path`. */
export function socketUrl(path: string): URL {
  return new URL(`unix:${pathToFileURL(path).pathname}`)
}

/** The path of the Unix socket that the URL stands for; `null` when it is another URL. */
export function socketPathOf(url: URL): string | null {
  return url.protocol === 'unix:' ? decodeURIComponent(url.pathname) : null
}

/** What the option says, also `unix:/PATH`. Throws a CliError that says how it is written. */
export function parseAdminUrl(text: string, option: string): URL {
  if (/^unix:\/[^/]/.test(text)) return socketUrl(text.slice('unix:'.length))
  const url = URL.canParse(text) ? new URL(text) : null
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.search === '' && url.hash === '') {
    return url
  }
  // "localhost:8432" parses, with localhost for its scheme.
  const suggestion = /^[^/]+:\d+\/?$/.test(text) ? `http://${text}` : DEFAULT_ADMIN_URL
  throw new CliError(
    `${option} ${JSON.stringify(text)} is no address of an admin server`,
    `write it as ${suggestion}, or as unix:/PATH for a Unix socket`,
    EXIT_CODES.usage,
  )
}
