/**
 * Text to YAML document, or faults with lines. Every scalar stays text (YAML's failsafe schema): the config's own schema
 * says what is a number. Messages of the YAML library are not passed on, since some quote the file, and so its secrets.
 */
import { type Document, isMap, LineCounter, parseDocument, type YAMLError } from 'yaml'
import type { ConfigFault, Position } from './fault.ts'

/** Larger is no configuration of this program. */
export const CONFIG_BYTES_MAX = 1_048_576
/** One slip in YAML often makes many errors; the first are the ones to look at. */
const SYNTAX_FAULTS_MAX = 5

export type ParsedYaml =
  | { readonly ok: true; readonly document: Document; readonly positionOf: (offset: number) => Position }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }

type YamlErrorCode = YAMLError['code']

const PROBLEMS: Partial<Record<YamlErrorCode, readonly [problem: string, expected: string | null]>> = {
  TAB_AS_INDENT: ['a tab is used as indentation', 'spaces'],
  BAD_SCALAR_START: ['a value starts with a reserved character', 'quotes around a value that starts with @ or `'],
  BAD_INDENT: ['wrong indentation, or a bracket that is not closed', null],
  BAD_DQ_ESCAPE: ['a backslash in double quotes starts no known escape', 'single quotes, or the backslash doubled'],
  BAD_ALIAS: ['a value that starts with * or & is a YAML alias or anchor', 'quotes around it when it is meant as text'],
  ALIAS_PROPS: ['an alias (*) cannot have an anchor or a tag', null],
  BAD_DIRECTIVE: ['a line starts with %, which is a YAML directive', null],
  MULTIPLE_DOCS: ['more than one document (---) in the file', 'one document'],
  MULTIPLE_ANCHORS: ['two anchors (&) on one value', null],
  MULTIPLE_TAGS: ['two tags (!) on one value', null],
  TAG_RESOLVE_FAILED: ['YAML tags (!) are not used here', 'quotes around a value that starts with !'],
  MULTILINE_IMPLICIT_KEY: ['a key runs over several lines', 'KEY: VALUE, with a space after the colon'],
  BLOCK_AS_IMPLICIT_KEY: ['two settings on one line, or wrong indentation', 'one KEY: VALUE on each line'],
  BLOCK_IN_FLOW: ['an indented block inside of { } or [ ]', null],
  MISSING_CHAR: ['a quote, comma, colon or bracket is missing', null],
  UNEXPECTED_TOKEN: ['unexpected text', null],
}

function lineAt(text: string, line: number): string {
  return text.split('\n', line)[line - 1] ?? ''
}

/** Parses one document with a mapping at its top. Never throws. */
export function parseYaml(text: string): ParsedYaml {
  const fail = (problem: string, expected: string | null, position: Position | null = null): ParsedYaml => ({
    ok: false,
    faults: [
      {
        path: '',
        line: position?.line ?? null,
        column: position?.column ?? null,
        value: null,
        problem,
        expected,
        suggestion: null,
      },
    ],
  })
  if (Buffer.byteLength(text) > CONFIG_BYTES_MAX) return fail('the file is too large', 'at most 1 MiB')
  const lineCounter = new LineCounter()
  const positionOf = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  let document: Document
  try {
    // Duplicate keys are looked for in walk-document.ts: the library compares all keys with all, minutes for a long file.
    document = parseDocument(text, {
      schema: 'failsafe',
      resolveKnownTags: false,
      lineCounter,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'error',
    })
  } catch {
    // The parser recurses: brackets nested thousands deep exhaust the stack.
    return fail('the file cannot be read as YAML (nested too deep?)', null)
  }
  // The library lists warnings apart, and errors as it happens to find them.
  const errors = [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0])
  if (errors.length > 0) {
    const faults = new Map<number, ConfigFault>()
    for (const error of errors) {
      const position = positionOf(error.pos[0])
      if (faults.has(position.line) || faults.size === SYNTAX_FAULTS_MAX) continue
      const [problem, usual] = PROBLEMS[error.code] ?? ['not valid YAML', null]
      const expected = /[{,]\s*[\w-]+:\s*\$\{/.test(lineAt(text, position.line))
        ? `quotes around "\${NAME}" inside of { }`
        : usual
      faults.set(position.line, {
        path: '',
        ...position,
        value: null,
        problem: `YAML: ${problem}`,
        expected,
        suggestion: null,
      })
    }
    return { ok: false, faults: [...faults.values()] }
  }
  const top = document.contents
  if (top === null) return fail('the file is empty', 'at least listeners, nodes and monitor.user')
  if (!isMap(top)) {
    const found = 'items' in top ? 'a list' : 'text'
    return fail(
      `the file holds ${found} at its top`,
      'KEY: VALUE settings such as listeners:',
      positionOf(top.range?.[0] ?? 0),
    )
  }
  return { ok: true, document, positionOf }
}
