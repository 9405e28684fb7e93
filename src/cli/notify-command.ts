/** How `notify` is written on the command line, and its help. Command line layer. */
import type { Command, OptionValues } from 'commander'
import { readDuration } from '../config/duration.ts'
import { DEFAULT_ADMIN_URL } from './admin-url.ts'
import { CliError } from './cli-error.ts'
import { EXIT_CODES, type ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

/** As much as a hook may ever take. */
const TIMEOUT_MS_MAX = 60_000

export interface NotifyCommand {
  readonly terminal: Terminal
  readonly finish: (code: ExitCode) => void
  readonly configOf: (options: OptionValues) => string | null
}

export function addNotify(program: Command, { terminal, finish, configOf }: NotifyCommand): void {
  program
    .command('notify')
    .summary("tell the proxies of repmgr's events")
    .description('Tells every proxy that something happened in the cluster: it looks at once.')
    .option('--event <name>', "repmgr's %e")
    .option('--node <id>', "repmgr's %n")
    .option('--success <flag>', "repmgr's %s: 1 or 0")
    .option('--details <text>', "repmgr's %d")
    .option('--timestamp <text>', "repmgr's %t")
    .option('-a, --admin <url>', `admin address of a proxy; may be repeated (default: ${DEFAULT_ADMIN_URL})`, collect)
    .option('--token-file <file>', 'the file with the token: the admin token, or the one of --print-token')
    .option('-c, --config <file>', 'the configuration of the proxy, instead of these two')
    .option('--timeout <duration>', 'how long it may take in all', '1s')
    .option('--verbose', 'say on standard error what became of it')
    .option('--print-token', 'only print a token that is good for notifications and for nothing else')
    .addHelpText(
      'after',
      `
Runs on the database hosts, as repmgr's user. It says nothing, and ends with 0
also when no proxy answers. A notification is only a hint: the proxy asks every
node at once, and often for ten seconds. It decides by what the nodes say.

In repmgr.conf, on one line (repmgr puts in what stands for each %):
  event_notification_command='pgha-proxy notify --event %e --node %n
    --success %s --admin http://10.0.0.9:8432 --token-file /etc/pgha-notify'

Exit codes:
  0 told, or nobody was there
  2 bad usage, or the token file cannot be read`,
    )
    .action(async (options: OptionValues) => {
      const { notify, printNotifyToken } = await import('./commands/notify.ts')
      const config = configOf(options)
      if (options['printToken'] === true) return finish(await printNotifyToken(config, terminal))
      const text = (name: string): string | null => (typeof options[name] === 'string' ? options[name] : null)
      const event = text('event')
      if (event === null) throw usage('--event is missing', "write it as repmgr's %e: --event %e")
      const given = {
        event,
        node: text('node'),
        success: text('success'),
        details: text('details'),
        timestamp: text('timestamp'),
        urls: (options['admin'] ?? []) as readonly string[],
        tokenFile: text('tokenFile'),
        config,
        timeoutMs: readTimeout(text('timeout') ?? ''),
        isVerbose: options['verbose'] === true,
      }
      finish(await notify(given, terminal))
    })
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

function readTimeout(text: string): number {
  const timeout = readDuration(text)
  if (timeout.ok && timeout.value > 0 && timeout.value <= TIMEOUT_MS_MAX) return timeout.value
  throw usage(`--timeout ${JSON.stringify(text)} is no time to wait`, 'write it as 500ms or 2s, at most 60s')
}

function usage(message: string, remedy: string): CliError {
  return new CliError(message, remedy, EXIT_CODES.usage)
}
