/**
 * The options of one of our own tools, of which an unknown one ends it: what was asked for in a word nobody knows would
 * not be done. Test support.
 */
import process from 'node:process'
import { type ParseArgsConfig, parseArgs } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>
type Values<T extends Options> = ReturnType<typeof parseArgs<{ readonly options: T }>>['values']

/** Ends the process with 2, and one sentence on stderr, when the command line has anything else. */
export function readOptions<const T extends Options>(options: T): Values<T> {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    const known = Object.keys(options).map((name) => `--${name}`)
    process.stderr.write(`${(error as Error).message}\nThere are ${known.join(', ')}.\n`)
    process.exit(2)
  }
}
