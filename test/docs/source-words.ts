/**
 * All words that the program can say: the texts in `src`, cut where values are put in. Test support. It knows no grammar:
 * a sentence counts as ours when it can be laid out of whole pieces, with values between them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const SOURCE = join(import.meta.dirname, '..', '..', 'src')

/** The only words that may stand alone in a row: before or between names, and in parentheses after "cannot be observed". */
const LONE_WORDS = new Set(['and', 'while', 'auth', 'permission', 'protocol'])

/** Values in the docs' examples: names, numbers. They stand for `${…}`. */
const VALUES = /\bnode\d\b|\b\d+(?:\.\d+)*\b|\bNODE\b/g

export interface SourceWords {
  /** The whole texts that hold no values. */
  readonly texts: ReadonlySet<string>
  /**
   * The part of the sentence that cannot be laid; `null` when all of it is ours. `quoted`: its ends may be parts of
   * pieces, as when somebody quotes from the middle of a sentence.
   */
  readonly findForeign: (sentence: string, options?: { readonly quoted?: boolean }) => string | null
}

export function readSourceWords(): SourceWords {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const literals = files.flatMap((file) => literalsOf(readFileSync(join(SOURCE, file), 'utf8')))
  const cut = literals.flatMap((literal) => literal.split(/\$\{[^}]*\}+/)).map(trim)
  // Classes of failures are told with blanks: `shutting-down` as "shutting down".
  const pieces = new Set([
    ...cut,
    ...cut.filter((each) => /^[a-z-]+$/.test(each)).map((each) => each.replaceAll('-', ' ')),
  ])
  const findForeign: SourceWords['findForeign'] = (sentence, { quoted = false } = {}) => {
    const parts = sentence.split(VALUES).map(trim)
    const first = parts.findIndex((part) => part !== '')
    const last = parts.findLastIndex((part) => part !== '')
    const foreign = parts.find((part, index) => {
      const open = { atStart: quoted && index === first, atEnd: quoted && index === last }
      return !canLay(part, pieces, open)
    })
    return foreign ?? null
  }
  return { texts: new Set(literals), findForeign }
}

interface OpenEnds {
  readonly atStart: boolean
  readonly atEnd: boolean
}

/** Whether the part is a row of whole pieces; at an open end the end or the beginning of one, two words long, will do. */
function canLay(part: string, pieces: ReadonlySet<string>, open: OpenEnds, laid = 0): boolean {
  if (part === '') return true
  for (const piece of beginningsOf(part)) {
    const rest = trim(part.slice(piece.length))
    const whole = trim(piece)
    const fits =
      (pieces.has(whole) && (whole.includes(' ') || (laid === 0 && rest === '') || LONE_WORDS.has(whole))) ||
      (whole.includes(' ') &&
        [...pieces].some(
          (each) =>
            (open.atStart && each.endsWith(whole)) ||
            (open.atEnd && rest === '' && each.startsWith(whole)) ||
            (open.atStart && open.atEnd && rest === '' && each.includes(whole)),
        ))
    if (fits && canLay(rest, pieces, { ...open, atStart: false }, laid + 1)) return true
  }
  return false
}

/** `a b c`, `a b`, `a`. */
function beginningsOf(text: string): string[] {
  const ends = [...text.matchAll(/\s/g)].map(({ index }) => index)
  return [text, ...ends.reverse().map((end) => text.slice(0, end))]
}

function trim(text: string): string {
  return text.replaceAll(/^[\s,;:()]+|[\s,;:()]+$/g, '')
}

function literalsOf(source: string): string[] {
  const found = [...source.matchAll(/'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`|"((?:[^"\\\n]|\\.)*)"/g)]
  return found.map(([, single, template, double]) => (single ?? template ?? double ?? '').replaceAll(/\\(.)/g, '$1'))
}
