/** Every message that the source can write into the log, found by reading it. Test support. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const SOURCE = join(import.meta.dirname, '..', '..', 'src')

/** `logger.info(`, `this.#logger[level](`, `options.logger.warn(`. */
const CALL = /\b#?logger\s*(?:\.(trace|debug|info|warn|error|fatal)|\[(?:[^[\]]|\[[^\]]*\])+\])\(/g

export interface LogMessage {
  readonly text: string
  /** `null` when it is worked out at run time. */
  readonly level: string | null
  /** `daemon/daemon.ts` */
  readonly path: string
}

/** One for each call and text: a message that is written in two places is there twice. */
export function readLogMessages(): LogMessage[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .sort()
    .flatMap((path) => messagesIn(readFileSync(join(SOURCE, path), 'utf8'), path))
}

/** Throws when there is a call whose message is no literal: it could not be looked up by whoever reads the log. */
export function messagesIn(source: string, path: string): LogMessage[] {
  return [...source.matchAll(CALL)].flatMap((call) => {
    const last = lastArgument(source, call.index + call[0].length)
    const texts = [...last.matchAll(/'((?:[^'\\]|\\.)*)'/g)].map((match) => match[1] ?? '')
    if (texts.length === 0) throw new Error(`${path}: a message that is no literal: ${call[0]}${last}`)
    return texts.map((text) => ({ text, level: call[1] ?? null, path }))
  })
}

/** The text of the last argument of the call whose parenthesis was opened right before `start`. */
function lastArgument(source: string, start: number): string {
  let depth = 0
  let quote: string | null = null
  let argumentStart = start
  for (let index = start; index < source.length; index += 1) {
    const character = source.charAt(index)
    if (quote !== null) {
      if (character === '\\') index += 1
      else if (character === quote) quote = null
    } else if ('\'"`'.includes(character)) quote = character
    else if ('([{'.includes(character)) depth += 1
    else if (character === ',' && depth === 0 && source.slice(index + 1).trimStart()[0] !== ')')
      argumentStart = index + 1
    else if (')]}'.includes(character)) {
      if (depth === 0) return source.slice(argumentStart, index)
      depth -= 1
    }
  }
  throw new Error('a call that does not end')
}
