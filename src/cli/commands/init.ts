/**
 * `pgha-proxy init`: a first configuration, from repmgr's rows, from nginx, or from both (nginx's listeners, repmgr's
 * nodes). Writes one new file at most and never replaces one. Command line layer.
 */
import { open } from 'node:fs/promises'
import { formatFaults } from '../../config/fault.ts'
import { loadConfig } from '../../config/load.ts'
import { readBounded } from '../../config/read-bounded.ts'
import { CliError } from '../cli-error.ts'
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts'
import { askRepmgr } from '../init/ask-repmgr.ts'
import { importNginxStream } from '../init/nginx-stream.ts'
import { type FirstConfig, renderConfig } from '../init/render-config.ts'
import { readSeedConninfo, type SeedLogin } from '../init/seed-conninfo.ts'
import type { Terminal } from '../terminal.ts'

const NGINX_BYTES_MAX = 1024 * 1024
/** No secret is written, but addresses are nobody else's business. */
const FILE_MODE = 0o640
/** What the README calls them. */
const DEFAULT_LOGIN = { user: 'pgha', database: 'repmgr' }

export interface InitOptions {
  readonly conninfo: string | null
  readonly fromNginx: string | null
  /** Which upstream of nginx is meant. */
  readonly upstream: string | null
  /** `null`: standard output. */
  readonly output: string | null
}

export async function init(options: InitOptions, terminal: Terminal): Promise<ExitCode> {
  const { conninfo, fromNginx, output } = options
  if (conninfo === null && fromNginx === null) {
    throw new CliError(
      'init needs to know a node, or the nginx that stood before the cluster',
      'give --conninfo "host=... user=... dbname=repmgr", or --from-nginx FILE, or both',
      EXIT_CODES.usage,
    )
  }
  const login = conninfo === null ? null : readLogin(conninfo)
  const imported = fromNginx === null ? null : await readNginx(fromNginx, options.upstream)
  const cluster = login === null ? null : await askRepmgr(login, terminal.environment)
  const { user, database } = login ?? DEFAULT_LOGIN
  const text = renderConfig({
    listeners: imported?.listeners ?? [{ address: { kind: 'tcp', host: '0.0.0.0', port: 5432 }, route: 'primary' }],
    nodes: cluster?.nodes ?? imported?.nodes ?? [],
    monitorUser: user,
    database,
    notes: [...(cluster?.notes ?? []), ...(imported?.notes ?? [])],
  })
  proveLoads(text)
  if (output === null) {
    terminal.out(text)
    return EXIT_CODES.ok
  }
  await writeNew(output, text)
  terminal.err(`${output} is written. Next: pgha-proxy check --config ${output}\n`)
  return EXIT_CODES.ok
}

function readLogin(conninfo: string): SeedLogin {
  const reading = readSeedConninfo(conninfo)
  if (reading.ok) return reading.login
  throw new CliError(
    // The text itself may hold a password.
    `--conninfo cannot be used: ${reading.problem}`,
    'write it as "host=pg-0 port=5432 user=repmgr dbname=repmgr" or postgresql://repmgr@pg-0:5432/repmgr',
    EXIT_CODES.usage,
  )
}

async function readNginx(
  file: string,
  upstream: string | null,
): Promise<Pick<FirstConfig, 'listeners' | 'nodes'> & { readonly notes: readonly string[] }> {
  const read = await readBounded(file, NGINX_BYTES_MAX)
  if (!read.ok) {
    throw new CliError(
      `${file} cannot be read: ${read.problem}`,
      'name the file of nginx with the stream block',
      EXIT_CODES.usage,
    )
  }
  const imported = importNginxStream(new TextDecoder().decode(read.bytes), { upstream })
  if (imported.ok) return imported
  const { line, problem, choices } = imported
  throw new CliError(
    `${file}${line === null ? '' : `:${line}`}: ${problem.replace(/\.$/, '')}`,
    choices.length === 0
      ? 'name the file with the stream block that nginx uses'
      : `say which: --upstream ${choices[0]}`,
    EXIT_CODES.usage,
  )
}

/** A conninfo may name what a configuration cannot: better said here than at the first start. */
function proveLoads(text: string): void {
  const loaded = loadConfig({ text, environment: {} })
  if (loaded.ok) return
  throw new CliError(
    'what was found makes no valid configuration',
    `${formatFaults(loaded.faults, 'ha.yaml')}\ncorrect that where it comes from (repmgr.nodes or nginx)`,
    EXIT_CODES.failure,
  )
}

async function writeNew(file: string, text: string): Promise<void> {
  try {
    // Fails when the file is there, whoever made it meanwhile.
    const handle = await open(file, 'wx', FILE_MODE)
    try {
      await handle.writeFile(text)
    } finally {
      await handle.close()
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') {
      throw new CliError(
        `${file} is there already, and init replaces nothing`,
        'name another file, or move that one away',
        EXIT_CODES.failure,
      )
    }
    throw new CliError(
      `${file} cannot be written: ${message}`,
      'name a file in a folder that you may write to',
      EXIT_CODES.failure,
    )
  }
}
