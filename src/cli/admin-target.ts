/** Which running proxy a command means, and the token for its orders. Command line layer. */
import { formatNodeAddress } from '../config/address.ts'
import type { Config } from '../config/config.ts'
import { formatFaults } from '../config/fault.ts'
import { loadConfigFile } from '../config/load-file.ts'
import { readSecretFile } from '../config/secret-file.ts'
import { DEFAULT_ADMIN_URL, parseAdminUrl, socketUrl } from './admin-url.ts'
import { CliError } from './cli-error.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { searchConfig } from './locate-config.ts'
import { readAdminToken } from './read-config.ts'
import type { Terminal } from './terminal.ts'

export interface TargetOptions {
  /** `--url`, which may be `unix:/path`; wins over the configuration's address. */
  readonly url: string | null
  /** `--config`; `null`: one of the usual places, if the command was not given a URL. */
  readonly config: string | null
  /** The usual places, for tests. */
  readonly usualFiles?: readonly string[]
}

export interface AdminTarget {
  readonly url: URL
  /** The configuration it was found in, for the token; `null` when the command went without. */
  readonly configured: { readonly file: string; readonly config: Config } | null
}

/** Finds the admin address. Rejects with a CliError when the options name none. */
export async function findAdminTarget(options: TargetOptions, terminal: Terminal): Promise<AdminTarget> {
  const file = options.config ?? (options.url === null ? (await searchConfig(options.usualFiles)).file : null)
  if (file === null) return { url: parseAdminUrl(options.url ?? DEFAULT_ADMIN_URL, '--url'), configured: null }
  const loaded = await loadConfigFile(file, terminal.environment)
  if (!loaded.ok) {
    throw new CliError(
      `the admin address is not known, because the configuration has faults:\n${formatFaults(loaded.faults, file)}`,
      options.url === null ? `correct them, or give --url ${DEFAULT_ADMIN_URL}` : 'correct them, or leave --config out',
      EXIT_CODES.usage,
    )
  }
  // Its warnings are for `check` and the daemon, not for whoever is in a hurry.
  const { config } = loaded
  return {
    url: options.url === null ? adminUrl(config, file) : parseAdminUrl(options.url, '--url'),
    configured: { file, config },
  }
}

/** The token to send with an order: out of `--token-file`, or the configuration. A CliError says what is missing. */
export async function findToken({ configured }: AdminTarget, tokenFile: string | null): Promise<string> {
  if (tokenFile !== null) {
    const read = await readSecretFile(tokenFile)
    if (read.ok) return read.secret
    throw new CliError(
      `--token-file ${read.problem}`,
      'name the file that holds the token of admin.token_file',
      EXIT_CODES.usage,
    )
  }
  if (configured === null) {
    throw new CliError(
      'an order needs the admin token, and none was given',
      "give --token-file FILE, or --config FILE with the proxy's configuration",
      EXIT_CODES.usage,
    )
  }
  const found = await readAdminToken(configured.config)
  if (!found.ok) {
    throw new CliError(
      `${configured.file}: ${found.problem}`,
      'run the order as a user who may read it, or give --token-file FILE',
      EXIT_CODES.usage,
    )
  }
  if (found.token === null) {
    throw new CliError(
      `${configured.file} has no admin token: orders are off`,
      'set admin.token_file in it (openssl rand -hex 32 makes a token), and reload the proxy',
      EXIT_CODES.usage,
    )
  }
  return found.token
}

function adminUrl({ admin }: Config, file: string): URL {
  if (admin === null) {
    throw new CliError(
      `${file} has admin: off, so the proxy cannot be asked`,
      'set admin.address in it, and restart the proxy',
      EXIT_CODES.usage,
    )
  }
  if (admin.address.kind === 'unix') return socketUrl(admin.address.path)
  if (admin.address.port === 0) {
    throw new CliError(
      `${file} leaves the admin port to the system (port 0)`,
      'give --url http://HOST:PORT with the port that the log of the proxy names',
      EXIT_CODES.usage,
    )
  }
  return new URL(`http://${formatNodeAddress({ host: reachable(admin.address.host), port: admin.address.port })}`)
}

/** Who listens everywhere is reached on the loopback address of the same family. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return /^[0:]+$/.test(host) ? '::1' : host
}
