/**
 * The command line: names the commands and hands their options on. Returns the exit code. Each command is loaded when it
 * is called: `status` has no use for what the daemon needs, and is asked for again and again.
 */
import process from 'node:process'
import { type Argument, Command, CommanderError, type OptionValues } from 'commander'
import { nearestWord } from '../config/nearest.ts'
import { takeSignals } from '../daemon/shutdown.ts'
import { DEFAULT_ADMIN_URL } from './admin-url.ts'
import { CliError, formatCliError } from './cli-error.ts'
import { EXIT_CODES, type ExitCode } from './exit-codes.ts'
import { searchConfig, USUAL_CONFIG_FILES } from './locate-config.ts'
import { addNotify } from './notify-command.ts'
import { addObserving, readObserving } from './observe/observing-options.ts'
import { addOrders } from './order-commands.ts'
import { processTerminal, type Terminal } from './terminal.ts'
import { readVersion } from './version.ts'

const USUAL_FILES = USUAL_CONFIG_FILES.join(' or ')
const CONFIG_HELP = `the configuration (default: ${USUAL_FILES})`
const EXIT_CODE_HELP = `Exit codes:
  0 fine
  1 failure at run time
  2 bad usage or configuration`

/** `args` without the program's name. */
export async function main(args: readonly string[], terminal: Terminal = processTerminal()): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT_CODES.ok
  const program = createProgram(terminal, (code) => {
    exitCode = code
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CliError) {
      terminal.err(formatCliError(error))
      return error.exitCode
    }
    if (!(error instanceof CommanderError)) throw error
    // Help and version end in an "error" of exit code 0; commander has said all else on standard error.
    return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage
  }
}

type Finish = (code: ExitCode) => void

function createProgram(terminal: Terminal, finish: Finish): Command {
  const version = readVersion()
  const program = new Command('pgha-proxy')
    .description('Failover proxy for PostgreSQL: every session reaches the one true primary.')
    .usage('--config FILE  |  <command> [options]')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows how it is used)')
    .enablePositionalOptions()
    .configureHelp({
      subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(describeArgument)].join(' '),
    })
    .option('-c, --config <file>', 'run the proxy with this configuration')
    .addHelpText(
      'after',
      `
Examples:
  pgha-proxy init --conninfo "host=pg-0 user=repmgr" --output ha.yaml
  pgha-proxy check --config ha.yaml
  pgha-proxy --config ha.yaml --observe --for 24h > report.txt
  pgha-proxy --config ha.yaml
  pgha-proxy status --watch

${EXIT_CODE_HELP}
  3 no primary (check, status)`,
    )
  addObserving(program).action(async (options: OptionValues) => {
    const [unknown] = program.args
    if (unknown !== undefined) {
      const near = nearestWord(
        unknown,
        program.commands.map((command) => command.name()),
      )
      program.error(`error: unknown command '${unknown}'${near === null ? '' : `\n(Did you mean ${near}?)`}`)
    }
    const config = textOption(options, 'config')
    if (config === null) throw await withoutConfig()
    const observing = readObserving(options)
    // Taken before anything is loaded or read: a signal during the start is meant for the daemon as well.
    const signals = takeSignals(process)
    try {
      const { run } = await import('./commands/run.ts')
      finish(await run({ config, version, signals, observing }, terminal))
    } finally {
      signals.release()
    }
  })
  addCheck(program, terminal, finish)
  addStatus(program, terminal, finish)
  addFailovers(program, terminal, finish)
  addOrders(program, {
    add: addTarget,
    helpOfExitCodes: EXIT_CODE_HELP,
    give: async (given, options) => {
      const { order } = await import('./commands/order.ts')
      const tokenFile = textOption(options, 'tokenFile')
      const reason = textOption(options, 'reason')
      finish(await order(given, { ...targetOptions(options, program), tokenFile, reason }, terminal))
    },
  })
  addNotify(program, { terminal, finish, configOf: (options) => configOption(options, program) })
  addInit(program, terminal, finish)
  // With an action of its own commander would call a mistyped command an argument too many. The commands, which would
  // inherit this, are made already.
  return program.allowExcessArguments()
}

function addCheck(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command('check')
    .summary('check the configuration and every node')
    .description('Checks the configuration, asks every node once, and tells what the proxy would decide.')
    .option('-c, --config <file>', CONFIG_HELP)
    .option('--json', 'print everything as JSON')
    .addHelpText(
      'after',
      `
Needs no running proxy, writes nothing, and may be run beside one.

Example:
  pgha-proxy check --config ha.yaml

${EXIT_CODE_HELP}
  3 no primary; warnings alone are fine`,
    )
    .action(async (options: OptionValues) => {
      const { check } = await import('./commands/check.ts')
      finish(await check({ config: configOption(options, program), json: options['json'] === true }, terminal))
    })
}

function addStatus(program: Command, terminal: Terminal, finish: Finish): void {
  addTarget(program.command('status').summary('show what the running proxy sees and does'))
    .description('Shows the decision, the nodes and the sessions of the running proxy.')
    .option('-w, --watch', 'again every second, until q or Ctrl-C')
    .option('-e, --explain', "every node's evidence, and what would change the decision")
    .option('--json', 'print the answer of GET /api/status')
    .addHelpText(
      'after',
      `
Examples:
  pgha-proxy status --watch
  pgha-proxy status --explain --url http://10.0.0.9:8432

${EXIT_CODE_HELP}
  3 no primary`,
    )
    .action(async (options: OptionValues) => {
      const stop = new AbortController()
      const onInterrupt = (): void => stop.abort()
      const isWatching = options['watch'] === true
      // A terminal that was closed, or a polite kill, must find the cursor where it was as well.
      const signals = isWatching ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : []
      for (const signal of signals) process.once(signal, onInterrupt)
      try {
        const { status } = await import('./commands/status.ts')
        finish(
          await status(
            {
              ...targetOptions(options, program),
              watch: isWatching,
              explain: options['explain'] === true,
              json: options['json'] === true,
              stop: stop.signal,
            },
            terminal,
          ),
        )
      } finally {
        for (const signal of signals) process.off(signal, onInterrupt)
      }
    })
}

function addFailovers(program: Command, terminal: Terminal, finish: Finish): void {
  addTarget(program.command('failovers').summary('show when the primary changed, and how long it took'))
    .description('Shows the failover journal of the running proxy: its last 100 changes of primary and outages.')
    .argument('[id]', 'one of them in full, as a timeline')
    .option('-l, --last', 'the newest in full')
    .option('-n, --limit <count>', 'how many to list (default: 20)')
    .option('--json', 'print the answer of GET /api/failovers, or the one record')
    .addHelpText(
      'after',
      `
Each time is counted from the one before it: from the last good probe to the
detection, from there to the proof of the new primary, and from the proof to the
first session on it and to the release of the last one that waited.

Examples:
  pgha-proxy failovers --limit 5
  pgha-proxy failovers --last

${EXIT_CODE_HELP}`,
    )
    .action(async (id: string | undefined, options: OptionValues) => {
      const target = targetOptions(options, program)
      const which = id ?? (options['last'] === true ? 'last' : null)
      const { failovers } = await import('./commands/failovers.ts')
      const json = options['json'] === true
      finish(await failovers({ ...target, which, limit: textOption(options, 'limit'), json }, terminal))
    })
}

function addInit(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command('init')
    .summary('write a first configuration')
    .description("Writes a first configuration, from repmgr's nodes or from nginx.")
    .option('--conninfo <string>', 'a node to ask for repmgr.nodes, as libpq writes it')
    .option('--from-nginx <file>', "nginx's configuration with the stream block")
    .option('--upstream <name>', 'which upstream of nginx is the PostgreSQL cluster')
    .option('-o, --output <file>', 'write to this new file instead of to standard output')
    .addHelpText(
      'after',
      `
With both, the listeners are nginx's and the nodes are repmgr's. The role of
--conninfo becomes monitor.user; its password is never written. A file that
exists is never replaced.

Examples:
  pgha-proxy init --conninfo "host=pg-0 user=repmgr" --output ha.yaml
  pgha-proxy init --from-nginx /etc/nginx/nginx.conf --upstream postgres

${EXIT_CODE_HELP}`,
    )
    .action(async (options: OptionValues) => {
      const { init } = await import('./commands/init.ts')
      finish(
        await init(
          {
            conninfo: textOption(options, 'conninfo'),
            fromNginx: textOption(options, 'fromNginx'),
            upstream: textOption(options, 'upstream'),
            output: textOption(options, 'output'),
          },
          terminal,
        ),
      )
    })
}

/** As commander writes it in the usage of a command. */
function describeArgument(argument: Argument): string {
  return argument.required ? `<${argument.name()}>` : `[${argument.name()}]`
}

function addTarget(command: Command): Command {
  return command
    .option('-c, --config <file>', `${CONFIG_HELP}, which names the admin address`)
    .option(
      '-u, --url <url>',
      `the admin address itself, or unix:/PATH (without a configuration: ${DEFAULT_ADMIN_URL})`,
    )
}

function targetOptions(options: OptionValues, program: Command): { url: string | null; config: string | null } {
  return { url: textOption(options, 'url'), config: configOption(options, program) }
}

/** Before the command it means the same as after it. */
function configOption(options: OptionValues, program: Command): string | null {
  return textOption(options, 'config') ?? textOption(program.opts(), 'config')
}

function textOption(options: OptionValues, name: string): string | null {
  const value: unknown = options[name]
  return typeof value === 'string' ? value : null
}

/** What a service runs must not depend on where it was started: the daemon looks nowhere, and only tells what is there. */
async function withoutConfig(): Promise<CliError> {
  const { file, passedOver } = await searchConfig()
  return new CliError(
    'there is nothing to run: --config is missing',
    file === null
      ? `give --config FILE; \`pgha-proxy init --help\` shows how to make one (looked for: ${passedOver.join(', ')})`
      : `run it with: pgha-proxy --config ${file}`,
    EXIT_CODES.usage,
  )
}
