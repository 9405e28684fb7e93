/** The command line: names the commands and hands their options on. Returns the exit code; never exits by itself. */
import process from 'node:process'
import { Command, CommanderError, type OptionValues } from 'commander'
import { run } from './commands/run.ts'
import { EXIT_CODES, type ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'
import { readVersion } from './version.ts'

const EXIT_CODE_HELP = `
Exit codes: 0 fine, 1 failure at run time, 2 bad usage or configuration, 3 no primary (check, status).`

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
    if (!(error instanceof CommanderError)) throw error
    // Help and version end in an "error" of exit code 0; commander has said all else on standard error.
    return error.exitCode === 0 ? EXIT_CODES.ok : EXIT_CODES.usage
  }
}

function createProgram(terminal: Terminal, finish: (code: ExitCode) => void): Command {
  const version = readVersion()
  const program = new Command('pgha-proxy')
    .description('Failover proxy for PostgreSQL: every session reaches the one true primary.')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows how it is used)')
    .enablePositionalOptions()
    .option('-c, --config <file>', 'the configuration to run with')
    .addHelpText('after', `\nExample:\n  pgha-proxy --config ha.yaml\n${EXIT_CODE_HELP}`)
    .action(async (options: OptionValues) => {
      const config: unknown = options['config']
      if (typeof config !== 'string') {
        terminal.err(`${program.helpInformation()}\npgha-proxy: --config FILE is missing\n`)
        return finish(EXIT_CODES.usage)
      }
      finish(await run({ config, version }, terminal))
    })
  return program
}

function processTerminal(): Terminal {
  const isInteractive = process.stdout.isTTY === true
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    isInteractive,
    useColor: isInteractive && !process.env['NO_COLOR'],
    environment: process.env,
  }
}
