/** How `--observe` and what goes with it are written. Command line layer. */
import type { Command, OptionValues } from 'commander'
import { readNodeAddress } from '../../config/address.ts'
import { readDuration } from '../../config/duration.ts'
import type { NodeAddress } from '../../topology/observation.ts'
import { CliError } from '../cli-error.ts'
import { EXIT_CODES } from '../exit-codes.ts'
import type { ObservingOptions } from './observe.ts'

/** As long as a timer can be. */
const FOR_MS_MAX = 24 * 24 * 3_600_000

export function addObserving(program: Command): Command {
  return program
    .option('--observe', 'only look: decide as the proxy would, take no sessions, report in the end')
    .option('--for <duration>', 'how long to observe: 30m, 24h (default: until Ctrl-C)')
    .option('--compare <host:port>', 'with --observe: ask there where the proxy of now leads')
    .option('--json', 'with --observe: the report as JSON')
}

/** `null`: not observing. Throws a CliError when something cannot be. */
export function readObserving(options: OptionValues): ObservingOptions | null {
  const [duration, compare] = [options['for'], options['compare']] as (string | undefined)[]
  if (options['observe'] !== true) {
    const lonely = ['for', 'compare', 'json'].find((name) => options[name] !== undefined)
    if (lonely === undefined) return null
    throw usage(`--${lonely} goes with --observe`, 'add --observe, or leave it out')
  }
  return {
    forMs: duration === undefined ? null : readFor(duration),
    compareWith: compare === undefined ? null : readCompare(compare),
    json: options['json'] === true,
  }
}

function readFor(text: string): number {
  const duration = readDuration(text)
  if (duration.ok && duration.value > 0 && duration.value <= FOR_MS_MAX) return duration.value
  throw usage(`--for ${JSON.stringify(text)} is no time to observe`, 'write it as 30m or 24h, at most 576h')
}

function readCompare(text: string): NodeAddress {
  const address = readNodeAddress(text)
  if (address.ok) return address.value
  throw usage(`--compare ${JSON.stringify(text)} ${address.problem}`, 'write it as HOST:PORT')
}

function usage(message: string, remedy: string): CliError {
  return new CliError(message, remedy, EXIT_CODES.usage)
}
