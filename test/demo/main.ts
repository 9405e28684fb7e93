/**
 * `npm run demo`: the command line of the demo. Reads the options, hears Ctrl-C, says how it ended.
 * Exit codes: 0 all promises kept; 1 one was broken, or the demo could not be played; 2 bad usage; 128 + n: signal n.
 */
import { constants } from 'node:os'
import { parseArgs } from 'node:util'
import { runDemo } from './run-demo.ts'

const HELP = `Usage: npm run demo [-- --json]

Starts a PostgreSQL primary and a streaming standby, the proxy, and an application that writes through it; kills the
primary, promotes the standby, lets the old primary come back, and switches back to it. Takes about half a minute, needs
nothing but npm ci, and leaves nothing behind.

  --json   print the result as JSON on standard output; the story goes to standard error
  --help   print this

Exit code 1 when a promise was broken.
`

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** What a signal was asked to end. */
class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super(`${signal}: cleared up`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args)
  if (options === null) return 2
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const interruption = new AbortController()
  const hear = (signal: NodeJS.Signals) => interruption.abort(new Interrupted(signal))
  for (const signal of SIGNALS) process.on(signal, hear)
  // Whoever read our output has left (`npm run demo | head`).
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => hear('SIGPIPE'))
  try {
    const result = await runDemo({
      stream: options.json ? process.stderr : process.stdout,
      showResult: !options.json,
      signal: interruption.signal,
    })
    if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
    if (!result.promisesKept && options.json) process.stderr.write(`promises broken: ${result.broken.join('; ')}\n`)
    return result.promisesKept ? 0 : 1
  } catch (error) {
    if (error instanceof Interrupted) {
      process.stderr.write(`${error.message}\n`)
      return error.exitCode
    }
    process.stderr.write(`the demo could not be played to its end: ${describe(error)}\n`)
    return 1
  } finally {
    for (const signal of SIGNALS) process.off(signal, hear)
  }
}

function readOptions(args: readonly string[]): { readonly json: boolean; readonly help: boolean } | null {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
    })
    return values
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`)
    return null
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
