/**
 * nginx's configuration syntax: words, quotes, comments, `;` and nested blocks, as a tree of directives. Pure. Tolerant:
 * it knows no directive, and reads what nginx would refuse as far as it can.
 *
 * @see https://nginx.org/en/docs/beginners_guide.html#conf_structure
 */

export interface NginxDirective {
  readonly name: string
  readonly parameters: readonly string[]
  /** What stands between its braces; `null` when it ends with `;`. */
  readonly block: readonly NginxDirective[] | null
  /** Counts from 1. */
  readonly line: number
}

export type NginxTree =
  | { readonly ok: true; readonly directives: readonly NginxDirective[] }
  | { readonly ok: false; readonly line: number; readonly problem: string }

type Token =
  | { readonly kind: 'word'; readonly text: string; readonly line: number }
  | { readonly kind: ';' | '{' | '}'; readonly line: number }

/** Deeper is no nginx configuration, and recursion must have an end. */
const DEPTH_MAX = 32

/** Reads the whole text. Fails on a quote or brace without its other half, and on blocks nested deeper than 32. */
export function parseNginx(text: string): NginxTree {
  const tokens = tokenize(text)
  if (!Array.isArray(tokens)) return tokens
  let at = 0

  const readBlock = (depth: number, openedOn: number): readonly NginxDirective[] | (NginxTree & { ok: false }) => {
    const directives: NginxDirective[] = []
    let words: string[] = []
    let line = openedOn
    for (; at < tokens.length; at += 1) {
      const token = tokens[at] as Token
      if (token.kind === 'word') {
        if (words.length === 0) line = token.line
        words.push(token.text)
        continue
      }
      const [name = '', ...parameters] = words
      words = []
      if (token.kind === ';') {
        if (name !== '') directives.push({ name, parameters, block: null, line })
      } else if (token.kind === '{') {
        if (depth === DEPTH_MAX) return { ok: false, line: token.line, problem: 'blocks are nested too deep' }
        at += 1
        const block = readBlock(depth + 1, token.line)
        if ('ok' in block) return block
        directives.push({ name, parameters, block, line })
      } else {
        if (name !== '') return { ok: false, line, problem: `"${name}" has no ; at its end` }
        return depth === 0 ? { ok: false, line: token.line, problem: 'a } without its {' } : directives
      }
    }
    if (words.length > 0) return { ok: false, line, problem: `"${words[0]}" has no ; at its end` }
    return depth === 0 ? directives : { ok: false, line: openedOn, problem: 'a { without its }' }
  }

  const directives = readBlock(0, 1)
  return 'ok' in directives ? directives : { ok: true, directives }
}

function tokenize(text: string): Token[] | (NginxTree & { ok: false }) {
  const tokens: Token[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const character = text[at] ?? ''
    if (/\s/.test(character)) {
      if (character === '\n') line += 1
      at += 1
    } else if (character === '#') {
      const end = text.indexOf('\n', at)
      at = end === -1 ? text.length : end
    } else if (character === ';' || character === '{' || character === '}') {
      tokens.push({ kind: character, line })
      at += 1
    } else if (character === '"' || character === "'") {
      const startLine = line
      let word = ''
      at += 1
      while (at < text.length && text[at] !== character) {
        if (text[at] === '\\' && at + 1 < text.length) at += 1
        if (text[at] === '\n') line += 1
        word += text[at]
        at += 1
      }
      if (at >= text.length) return { ok: false, line: startLine, problem: 'a quote is not closed' }
      tokens.push({ kind: 'word', text: word, line: startLine })
      at += 1
    } else {
      // A `{` right after `$` belongs to a variable's name.
      const [word = character] = /^(?:\\.|\$\{[^}\s]*\}|[^\s;{}\\])+/.exec(text.slice(at, at + 4_096)) ?? []
      tokens.push({ kind: 'word', text: word.replace(/\\(.)/g, '$1'), line })
      at += word.length
    }
  }
  return tokens
}
